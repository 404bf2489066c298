variable "subscription_id" {
  description = "The subscription that everything is made in."
  type        = string
  nullable    = false
}

variable "tenant_id" {
  description = "The Entra tenant of that subscription."
  type        = string
  nullable    = false
}

variable "registry" {
  description = "Where the images are, and their digests: a release prints them."
  type        = object({ server = string, proxy = string, admin = string, job = string })
  default = {
    server = "contoso.azurecr.io"
    proxy  = "sha256:1111111111111111111111111111111111111111111111111111111111111111"
    admin  = "sha256:2222222222222222222222222222222222222222222222222222222222222222"
    job    = "sha256:3333333333333333333333333333333333333333333333333333333333333333"
  }
  nullable = false
}
