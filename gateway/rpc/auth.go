package rpc

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"net"
	"slices"
	"strings"

	"google.golang.org/grpc/metadata"

	"touchpoint/gateway"
)

// Role is what a token may do.
type Role string

// The roles. An operator may do everything.
const (
	RoleReader        Role = "reader"         // read all but personal data
	RolePublisher     Role = "publisher"      // marketing: journeys, and all that a reader may
	RoleDeviceService Role = "device-service" // record events, take messages, report receipts
	RoleCRM           Role = "crm"            // customers, consents, devices, their personal data; trigger journeys
	RoleOperator      Role = "operator"       // everything
)

// Roles lists the roles that a configuration may name.
func Roles() []Role {
	return []Role{RoleReader, RolePublisher, RoleDeviceService, RoleCRM, RoleOperator}
}

// Token is one bearer token of the configuration.
type Token struct {
	Name   string // for the log; never the secret
	Secret string
	Roles  []Role
}

// caller is who makes a call.
type caller struct {
	name  string
	roles []Role
}

func (c caller) has(roles ...Role) bool {
	return slices.ContainsFunc(c.roles, func(r Role) bool { return r == RoleOperator || slices.Contains(roles, r) })
}

type callerKey struct{}

// callerOf returns who makes the call; nobody when no interceptor said so.
func callerOf(ctx context.Context) caller {
	c, _ := ctx.Value(callerKey{}).(caller)
	return c
}

// methodRoles says who may call what, beside operators. A method that is not
// listed is for operators alone.
var methodRoles = map[string][]Role{
	"EventService/RecordEvents":       {RoleDeviceService, RoleCRM},
	"EventService/RecordEventsStream": {RoleDeviceService, RoleCRM},
	"EventService/ListEvents":         {RoleReader, RolePublisher, RoleCRM},
	"EventService/AggregateEvents":    {RoleReader, RolePublisher, RoleCRM},

	"JourneyService/CreateJourney":   {RolePublisher},
	"JourneyService/UpdateJourney":   {RolePublisher},
	"JourneyService/ValidateJourney": {RolePublisher, RoleReader},
	"JourneyService/PublishJourney":  {RolePublisher},
	"JourneyService/PreviewPublish":  {RolePublisher, RoleReader},
	"JourneyService/PauseJourney":    {RolePublisher},
	"JourneyService/DryRunJourney":   {RolePublisher},
	"JourneyService/StopDryRun":      {RolePublisher},
	"JourneyService/ResumeJourney":   {RolePublisher},
	"JourneyService/GetJourney":      {RoleReader, RolePublisher},
	"JourneyService/GetEffect":       {RoleReader, RolePublisher},
	"JourneyService/ListJourneys":    {RoleReader, RolePublisher},
	"JourneyService/TriggerJourney":  {RolePublisher, RoleCRM},

	"MessageService/ListMessages":      {RoleReader, RolePublisher, RoleCRM},
	"MessageService/WatchMessages":     {RoleReader, RolePublisher, RoleCRM},
	"MessageService/SubscribeMessages": {RoleDeviceService},
	"MessageService/ReportReceipt":     {RoleDeviceService, RoleCRM},

	"CustomerService/UpsertCustomer": {RoleCRM},
	"CustomerService/GetCustomer":    {RoleReader, RolePublisher, RoleCRM},
	"CustomerService/SetConsent":     {RoleCRM},
	"CustomerService/EraseCustomer":  {RoleCRM},
	"CustomerService/BindDevice":     {RoleCRM, RoleDeviceService},
	"CustomerService/UnbindDevice":   {RoleCRM, RoleDeviceService},
	"CustomerService/ListDevices":    {RoleReader, RolePublisher, RoleCRM},
	"CustomerService/ListDecisions":  {RoleReader, RolePublisher, RoleCRM},
	"CustomerService/Explain":        {RoleReader, RolePublisher, RoleCRM},

	"GroupService/JoinGroup":  {RoleCRM},
	"GroupService/LeaveGroup": {RoleCRM},
	"GroupService/GetGroup":   {RoleReader, RolePublisher, RoleCRM},

	"TaskService/ListTasks":    {RoleCRM},
	"TaskService/CompleteTask": {RoleCRM},

	"ExportService/ExportCustomer": {RoleCRM},

	"BacktestService/Backtest": {RolePublisher},

	"BrakeService/GetBrake":   {RoleReader, RolePublisher},
	"ClockService/GetClock":   {RoleReader, RolePublisher, RoleCRM, RoleDeviceService},
	"StatusService/GetStatus": {RoleReader, RolePublisher},
}

// allowed reports whether a caller may call a method, given by its full name.
func allowed(c caller, fullMethod string) bool {
	if strings.HasPrefix(fullMethod, "/grpc.") { // health, reflection: any token
		return len(c.roles) > 0
	}
	return c.has(methodRoles[strings.TrimPrefix(fullMethod, "/touchpoint.v1.")]...)
}

// authenticator finds out who calls.
type authenticator struct {
	tokens []hashedToken
}

type hashedToken struct {
	hash [sha256.Size]byte
	caller
}

func newAuthenticator(tokens []Token) *authenticator {
	a := &authenticator{}
	for _, t := range tokens {
		a.tokens = append(a.tokens, hashedToken{sha256.Sum256([]byte(t.Secret)), caller{t.Name, t.Roles}})
	}
	return a
}

// authenticate reads the bearer token of a call. Every token is compared, and
// each in constant time, so that the time tells nothing.
func (a *authenticator) authenticate(ctx context.Context, fullMethod string) (caller, error) {
	if len(a.tokens) == 0 { // loopback only, see RequireLoopback
		return caller{"local", []Role{RoleOperator}}, nil
	}
	if fullMethod == "/grpc.health.v1.Health/Check" { // probes have no token
		return caller{"probe", []Role{RoleReader}}, nil
	}
	md, _ := metadata.FromIncomingContext(ctx)
	header := md.Get("authorization")
	if len(header) == 0 {
		return caller{}, gateway.Errorf(gateway.Unauthenticated, "no token: send the metadata \"authorization: Bearer <token>\"")
	}
	secret, ok := strings.CutPrefix(header[0], "Bearer ")
	hash := sha256.Sum256([]byte(secret))
	found := -1
	for i := range a.tokens {
		if subtle.ConstantTimeCompare(hash[:], a.tokens[i].hash[:]) == 1 {
			found = i
		}
	}
	if !ok || found < 0 {
		return caller{}, gateway.Errorf(gateway.Unauthenticated, "the token is not known to this gateway")
	}
	who := a.tokens[found].caller
	if !allowed(who, fullMethod) {
		return who, gateway.Errorf(gateway.PermissionDenied, "the token's roles (%s) do not allow %s", joinRoles(who.roles), fullMethod)
	}
	return who, nil
}

func joinRoles(roles []Role) string {
	texts := make([]string, len(roles))
	for i, r := range roles {
		texts[i] = string(r)
	}
	return strings.Join(texts, ", ")
}

// RequireLoopback refuses an address that others can reach. Call it for every
// listener for which no tokens are configured.
func RequireLoopback(key, addr string) error {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return gateway.InvalidField(key, "is no address of the form 127.0.0.1:7070")
	}
	ip := net.ParseIP(host)
	if host == "localhost" || ip != nil && ip.IsLoopback() {
		return nil
	}
	return gateway.InvalidField(key, "is open to the network, but no tokens are configured: set auth.tokens, or listen on 127.0.0.1")
}
