"""Parquet files, where the library for them is installed."""

from service.core.errors import ServiceError


class ParquetNotInstalled(ServiceError):
    status, code, title = 501, "parquet_not_installed", "This service cannot write Parquet"
    detail = (
        "Request another format, or ask the operator to install polystore[export], which has the "
        "library."
    )
