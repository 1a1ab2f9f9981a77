package testservers_test

import (
	"net/http"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
	"github.com/nats-io/nats.go"

	"touchpoint/internal/testservers"
)

func connect(t *testing.T, url, user, password string) error {
	t.Helper()
	o := mqtt.NewClientOptions().AddBroker(url).SetClientID("c").SetUsername(user).SetPassword(password)
	o.SetConnectTimeout(5 * time.Second)
	c := mqtt.NewClient(o)
	token := c.Connect()
	token.Wait()
	if token.Error() == nil {
		c.Disconnect(0)
	}
	return token.Error()
}

func TestMosquitto(t *testing.T) {
	s := testservers.Mosquitto(t, testservers.MosquittoOptions{})
	if err := connect(t, s.URL, "", ""); err != nil {
		t.Fatal(err)
	}
	s.Stop()
	if err := connect(t, s.URL, "", ""); err == nil {
		t.Fatal("a stopped broker answers")
	}
	s.Start()
	if err := connect(t, s.URL, "", ""); err != nil {
		t.Fatal(err)
	}
}

func TestMosquittoPassword(t *testing.T) {
	s := testservers.Mosquitto(t, testservers.MosquittoOptions{User: "gateway", Password: "open sesame"})
	if err := connect(t, s.URL, "gateway", "open sesame"); err != nil {
		t.Fatal(err)
	}
	if err := connect(t, s.URL, "gateway", "wrong"); err == nil {
		t.Fatal("a wrong password is taken")
	}
}

func TestNATS(t *testing.T) {
	s := testservers.NATS(t, testservers.NATSOptions{SyncAlways: true})
	c, err := nats.Connect(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	js, err := c.JetStream()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := js.AccountInfo(); err != nil {
		t.Fatal(err)
	}
}

func TestInflux(t *testing.T) {
	s := testservers.Influx(t)
	s.NewBucket("short", time.Hour)
	id, token := s.NewToken()
	if token == "" {
		t.Fatal("no token")
	}
	s.RevokeToken(id)
	s.Kill()
	s.Start()
	s.Call(http.MethodGet, "/api/v2/buckets?name=short", nil, nil)
}
