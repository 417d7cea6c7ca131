"""The pages of docs/reference, written from the code: one module a page, each with a function `page`."""
