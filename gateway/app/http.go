package app

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"time"
)

// openHTTP serves health, readiness and the console.
func (g *Gateway) openHTTP(context.Context) error {
	tlsConfig, err := tlsOf(g.cfg.HTTP.TLS, true)
	if err != nil {
		return err
	}
	lis, err := net.Listen("tcp", g.cfg.HTTP.Listen)
	if err != nil {
		return err
	}
	g.addrs.HTTP = lis.Addr().String()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ok\n")) })
	mux.HandleFunc("GET /readyz", g.serveReady)
	if err := g.mountConsole(mux); err != nil {
		return errors.Join(err, lis.Close())
	}
	srv := &http.Server{
		Handler: mux, TLSConfig: tlsConfig, ReadHeaderTimeout: 5 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10,
		BaseContext: func(net.Listener) context.Context { return g.background },
	}
	g.wg.Go(func() {
		serve := srv.Serve
		if tlsConfig != nil {
			serve = func(l net.Listener) error { return srv.ServeTLS(l, "", "") }
		}
		if err := serve(lis); !errors.Is(err, http.ErrServerClosed) {
			g.fail(err)
		}
	})
	g.onClose("HTTP", func(ctx context.Context) error {
		g.halt() // ends the console's event streams, which Shutdown would wait for
		return srv.Shutdown(ctx)
	})
	return nil
}

// serveReady answers 200 when the gateway takes in, decides and delivers, else
// 503 and why not.
func (g *Gateway) serveReady(w http.ResponseWriter, _ *http.Request) {
	why := g.NotReady()
	w.Header().Set("Content-Type", "application/json")
	if len(why) > 0 {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"ready": len(why) == 0, "not_ready": why})
}
