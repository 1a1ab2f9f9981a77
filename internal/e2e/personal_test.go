package e2e

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/klauspost/compress/s2"
	"github.com/nats-io/nats.go/jetstream"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"touchpoint/gateway"
	"touchpoint/gateway/app"
	"touchpoint/gateway/eventlog"
	"touchpoint/gateway/vault"
	"touchpoint/internal/testservers"
	pb "touchpoint/proto/touchpoint/v1"
)

// planted are the personal values that must be nowhere in the open.
var planted = map[string]string{
	"name":   "Philomena Quastenflosser",
	"e-mail": "philomena.q@example.test",
	"number": "KUNDENNUMMER-4711-XYZ",
	"field":  "Bartholomew Zwirbelbart",
	"serial": "VIN-WQXZ-0815",
	"phone":  "+493099887766",
}

// TestPersonalData plants personal values, searches everything that is stored
// for them, erases the customer, and searches what is answered.
func TestPersonalData(t *testing.T) {
	influx := testservers.Influx(t)
	for _, store := range []string{"embedded history", "InfluxDB"} {
		t.Run(store, func(t *testing.T) {
			g := start(t, func(c *app.Config) {
				c.Products = filepath.Join(t.TempDir(), "products.yaml")
				text := "products:\n  coffee-1:\n    personal: [operator.name]\n"
				if err := os.WriteFile(c.Products, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
				if store == "InfluxDB" {
					c.History.Influx = &app.InfluxConfig{URL: influx.URL, Org: influx.Org, Bucket: influx.Bucket, Token: influx.Token}
				}
			})
			id := g.plant()
			g.export(id)
			var point string
			if store == "InfluxDB" {
				point = id
				dump := g.influxDump(influx)
				search(t, "InfluxDB", []byte(dump))
				if !strings.Contains(dump, id) || !strings.Contains(dump, control) {
					t.Error("the search does not see the events in InfluxDB")
				}
			}
			g.stop()
			sealed := g.searchData()
			if len(sealed) == 0 {
				t.Fatal("the personal field is nowhere, not even sealed")
			}
			g.open(id, sealed, true)

			g.start()
			g.erase(id)
			if point != "" && strings.Contains(g.influxDump(influx), point) {
				t.Error("InfluxDB names the erased customer still")
			}
			g.stop()
			g.searchData()
			g.open(id, sealed, false)
			search(t, "the log of the process", []byte(g.logs.text()))
		})
	}
}

// plant makes a customer and has his machine say personal things.
func (g *inside) plant() (id string) {
	id = g.customer(planted["number"], consented("marketing"), func(c *pb.Customer) {
		c.Profile = &pb.Profile{FullName: planted["name"], Email: planted["e-mail"], Phone: planted["phone"]}
	})
	g.bind(planted["serial"], planted["number"])
	g.publish(strings.ReplaceAll(welcome, "title: Welcome", `title: "Welcome {{ customer.full_name }}"`))
	m := g.power(planted["serial"])
	for k := range 40 { // enough for a batch that is compressed
		m.send(g.ctx, event{ID: fmt.Sprint("brew-", k), Type: "brew_finished",
			Data: map[string]any{"operator": map[string]any{"name": planted["field"]}, "water_ml": 38}})
	}
	g.displayed(m, 1)
	m.publish(g.ctx, m.topic("events"), []byte(`{"poison": "`+planted["e-mail"]+`"`))
	eventually(g.t, "the message with the name", func() bool {
		m.mu.Lock()
		defer m.mu.Unlock()
		for _, title := range m.shown {
			return title == "Welcome "+planted["name"]
		}
		return false
	})
	eventually(g.t, "a history that has followed", func() bool {
		return len(g.listEvents(&pb.EventFilter{Customer: customerRef(planted["number"])})) == 40
	})
	return id
}

// export asks for all that is stored about the customer.
func (g *inside) export(id string) {
	t := g.t
	t.Helper()
	stream := must[grpc.ServerStreamingClient[pb.ExportCustomerResponse]](t)(
		pb.NewExportServiceClient(g.conn).ExportCustomer(g.ctx, &pb.ExportCustomerRequest{Customer: customerRef(planted["number"])}))
	all := &pb.ExportCustomerResponse{}
	for {
		part, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		proto.Merge(all, part)
	}
	c := all.GetCustomer()
	if c.GetId() != id || c.GetExternalId() != planted["number"] || c.GetProfile().GetEmail() != planted["e-mail"] ||
		len(c.GetConsents()) != 1 || len(all.Devices) != 1 || len(all.Enrollments) != 1 || len(all.Messages) != 1 || len(all.Decisions) < 2 {
		t.Errorf("the export lacks something: %v", all)
	}
	opened := 0
	for _, e := range all.Events {
		if e.Properties["operator.name"].GetString_() == planted["field"] {
			opened++
		}
	}
	if len(all.Events) != 40 || opened != 40 {
		t.Errorf("the export has %d events, %d with the personal field", len(all.Events), opened)
	}
}

// erase removes the customer and asks for him in every way.
func (g *inside) erase(id string) {
	t := g.t
	t.Helper()
	done := must[*pb.EraseCustomerResponse](t)(g.customers.EraseCustomer(g.ctx, &pb.EraseCustomerRequest{Customer: customerRef(planted["number"])}))
	at := []*pb.Position{done.Position}
	for _, ref := range []*pb.CustomerRef{customerRef(planted["number"]), {Id: id}} {
		gone := func(what string, n int, err error) {
			t.Helper()
			if err != nil && status.Code(err) != codes.NotFound || n > 0 {
				t.Errorf("%s by %v after the erasure: %d, %v", what, ref, n, err)
			}
		}
		if c, err := g.customers.GetCustomer(g.ctx, &pb.GetCustomerRequest{Customer: ref, WithProfile: true, AtLeast: at}); status.Code(err) != codes.NotFound {
			t.Errorf("GetCustomer by %v after the erasure: %v, %v", ref, c, err)
		}
		messages, err := g.messages.ListMessages(g.ctx, &pb.ListMessagesRequest{Customer: ref, AtLeast: at})
		gone("ListMessages", len(messages.GetMessages()), err)
		decisions, err := g.customers.ListDecisions(g.ctx, &pb.ListDecisionsRequest{Customer: ref, AtLeast: at})
		gone("ListDecisions", len(decisions.GetDecisions()), err)
		events, err := g.events.ListEvents(g.ctx, &pb.ListEventsRequest{Filter: &pb.EventFilter{Customer: ref}, AtLeast: at})
		gone("ListEvents", len(events.GetEvents()), err)
		devices, err := g.customers.ListDevices(g.ctx, &pb.ListDevicesRequest{Customer: ref, WithFormer: true, AtLeast: at})
		gone("ListDevices", len(devices.GetDevices()), err)
	}
	all := g.listMessages(&pb.ListMessagesRequest{AtLeast: at})
	for _, e := range g.listEvents(&pb.EventFilter{}) {
		if e.CustomerId == id {
			t.Errorf("event %s names the erased customer still", e.Id)
		}
	}
	for _, m := range all {
		if m.CustomerId == id {
			t.Errorf("message %s names the erased customer still", m.Id)
		}
	}
}

// searchData searches the data directory of a gateway that is stopped: the bytes
// of every file, every message of the log, unpacked, and every row of the
// databases. It returns the sealed values that it finds.
func (g *inside) searchData() (sealed []string) {
	t := g.t
	t.Helper()
	err := filepath.WalkDir(g.cfg.Data, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		search(t, path, content)
		if bytes.HasPrefix(content, []byte("SQLite format 3")) {
			searchRows(t, path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	log := g.openLog()
	defer closeLog(t, log)
	seen := 0
	streams := log.JetStream().ListStreams(g.ctx)
	for info := range streams.Info() {
		stream := must[jetstream.Stream](t)(log.JetStream().Stream(g.ctx, info.Config.Name))
		for seq := info.State.FirstSeq; seq <= info.State.LastSeq && seq > 0; seq++ {
			msg, err := stream.GetMsg(g.ctx, seq)
			if err != nil {
				continue // removed
			}
			what := fmt.Sprintf("%s %d %s", info.Config.Name, seq, msg.Subject)
			search(t, what, append([]byte(msg.Subject+fmt.Sprint(msg.Header)), msg.Data...))
			for skip := range min(4, len(msg.Data)) {
				if plain, err := s2.Decode(nil, msg.Data[skip:]); err == nil && search(t, what+" unpacked", plain) {
					seen++
				}
			}
		}
	}
	if err := streams.Err(); err != nil {
		t.Fatal(err)
	}
	if seen == 0 {
		t.Error("the search does not see into the compressed records")
	}
	return g.sealedIn(log)
}

// sealedIn returns the sealed values in the events of a log.
func (g *inside) sealedIn(log *eventlog.Log) (sealed []string) {
	for p := range log.Partitions() {
		last := must[uint64](g.t)(log.LastEventSeq(g.ctx, p))
		if last == 0 {
			continue
		}
		r := must[*eventlog.EventReader](g.t)(log.ReadEvents(g.ctx, p, 0))
		for b := new(gateway.Batch); b.Seq < last; {
			if err := r.Next(g.ctx, b); err != nil {
				g.t.Fatal(err)
			}
			for i := range b.Inputs {
				if v := b.Inputs[i].Event.Properties.Get("operator.name"); v.Kind() == gateway.KindSealed {
					sealed = append(sealed, strings.Clone(v.AsString()))
				}
			}
		}
		r.Close()
	}
	return sealed
}

// open tries to open sealed values with all that is stored.
func (g *inside) open(customer string, sealed []string, can bool) {
	t := g.t
	t.Helper()
	log := g.openLog()
	defer closeLog(t, log)
	bucket := must[*eventlog.Bucket](t)(log.Bucket(g.ctx, "vault"))
	key := must[[]byte](t)(vault.LoadMasterKey(vault.MasterKeySource{Dir: g.cfg.Data}))
	v := must[*vault.Vault](t)(vault.Open(g.ctx, vault.Options{Store: bucket, MasterKey: key}))
	defer v.Close()
	subject := gateway.CustomerSubject(must[gateway.CustomerID](t)(gateway.ParseCustomerID(customer)))
	opened := 0
	for _, text := range sealed {
		if plain, err := v.Open(g.ctx, subject, text); err == nil && plain.Reveal() == planted["field"] {
			opened++
		}
	}
	if want := map[bool]int{true: len(sealed)}[can]; opened != want {
		t.Errorf("%d of %d sealed values can be opened, want %d", opened, len(sealed), want)
	}
}

func (g *inside) openLog() *eventlog.Log {
	return must[*eventlog.Log](g.t)(eventlog.Open(g.ctx, eventlog.Options{Name: g.cfg.Name, Dir: filepath.Join(g.cfg.Data, "log"),
		Partitions: g.cfg.Partitions, MaxBytes: g.cfg.Log.MaxBytes, Replicas: 1}))
}

func closeLog(t *testing.T, log *eventlog.Log) {
	if err := log.Close(context.Background()); err != nil {
		t.Error(err)
	}
}

// control is an open value that a search must find, or else it searches nothing.
const control = "brew_finished"

// search looks for the planted values as they are, in hexadecimal, in base64 at
// each of its three offsets, and in UTF-16. It reports whether the control is
// there.
func search(t *testing.T, where string, content []byte) bool {
	t.Helper()
	for what, text := range planted {
		for form, needle := range forms(text) {
			if i := bytes.Index(content, needle); i >= 0 {
				t.Errorf("%s: the planted %s is there (%s): %q", where, what, form, content[max(0, i-40):min(len(content), i+80)])
			}
		}
	}
	return bytes.Contains(content, []byte(control))
}

func forms(text string) map[string][]byte {
	all := map[string][]byte{"plain": []byte(text), "hex": []byte(hex.EncodeToString([]byte(text)))}
	wide := make([]byte, 0, 2*len(text))
	for _, c := range []byte(text) {
		wide = append(wide, c, 0)
	}
	all["UTF-16"] = wide
	for skip := range 3 {
		// Without the characters at both ends, which depend on the neighbours.
		s := base64.RawStdEncoding.EncodeToString(append(make([]byte, skip), text...))
		all[fmt.Sprint("base64 at ", skip)] = []byte(s[4 : len(s)-3])
	}
	return all
}

// searchRows searches every value of every table of a database.
func searchRows(t *testing.T, path string) {
	t.Helper()
	db := must[*sql.DB](t)(sql.Open("sqlite", "file:"+path+"?mode=ro"))
	defer db.Close()
	var tables []string
	rows := must[*sql.Rows](t)(db.Query(`SELECT name FROM sqlite_master WHERE type = 'table'`))
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			t.Fatal(err)
		}
		tables = append(tables, name)
	}
	rows.Close()
	for _, table := range tables {
		rows := must[*sql.Rows](t)(db.Query(`SELECT * FROM "` + table + `"`))
		columns := must[[]string](t)(rows.Columns())
		values := make([]any, len(columns))
		for i := range values {
			values[i] = new(sql.RawBytes)
		}
		for rows.Next() {
			if err := rows.Scan(values...); err != nil {
				t.Fatal(err)
			}
			for i := range values {
				search(t, filepath.Base(path)+" "+table+"."+columns[i], *values[i].(*sql.RawBytes))
			}
		}
		rows.Close()
	}
}

var base64Text = regexp.MustCompile(`[A-Za-z0-9+/_-]{40,}={0,2}`)

// influxDump exports all that the bucket holds; what is in base64 is decoded, too.
func (g *inside) influxDump(s *testservers.InfluxServer) string {
	text := fluxText(g.ctx, g.t, s, `from(bucket: "`+s.Bucket+`") |> range(start: 0)`)
	var decoded strings.Builder
	for _, one := range base64Text.FindAllString(text, -1) {
		for _, enc := range []*base64.Encoding{base64.StdEncoding, base64.RawStdEncoding, base64.URLEncoding, base64.RawURLEncoding} {
			if plain, err := enc.DecodeString(one); err == nil {
				decoded.Write(plain)
				break
			}
		}
	}
	return text + decoded.String()
}
