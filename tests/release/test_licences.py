"""What may be shipped."""

import pytest

from release.licences import refused


@pytest.mark.parametrize(
    "licence",
    [
        "GPL-3.0-only",
        "AGPL-3.0-or-later",
        "GNU General Public License v3 (GPLv3)",
        "SSPL-1.0",
        "BUSL-1.1",
        "GPL",
        "unknown",
    ],
)
def test_a_licence_that_binds_customers_is_refused(licence):
    assert refused(licence)


@pytest.mark.parametrize(
    "licence",
    [
        "MIT",
        "Apache-2.0",
        "BSD-3-Clause",
        "LGPL-3.0-only",
        "GNU Lesser General Public License v3 (LGPLv3)",
        "PostgreSQL",
        "MIT OR GPL-2.0-only",
        "MPL-2.0",
    ],
)
def test_a_licence_that_does_not_is_taken(licence):
    assert not refused(licence)
