"""Tests of service/web/openapi_document."""
