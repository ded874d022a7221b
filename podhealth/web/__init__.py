"""The dashboard, the API and the live sockets: routes that parse, call one function and answer."""
