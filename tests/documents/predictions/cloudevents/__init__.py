"""Tests of service/documents/predictions/cloudevents."""
