package app

import "net/http"

func (g *Gateway) mountConsole(mux *http.ServeMux) error { return nil }
