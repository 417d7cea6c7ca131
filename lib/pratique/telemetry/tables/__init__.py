"""Tables of requests or of counts: CSV and Parquet files, and data frames.

`files` opens a file, `frames` a data frame; both give batches of columns. `columns` says what a column's type may mean,
`parser` turns batches into requests with the rules for logs, and `counts` reads rows that stand for several requests.
"""
