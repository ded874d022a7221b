"""The site that the tests of the API share."""

from tests.support import cast

site = cast.site
