"""`aduana init`: from answers to a commented tenant file.

`surroundings` looks at what is known of Azure here, `questions` says what is asked and when, `asking` gets the answers from
options and from a person, `settings` makes the file's settings of them, and `document` writes them down. Nothing here
changes anything in Azure.
"""
