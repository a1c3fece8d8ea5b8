"""SOAP services, by their WSDL."""
