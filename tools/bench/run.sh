#!/usr/bin/env bash
# Measures the gateway beside its peers on the same work, alternating, and writes
# docs/performance.md. The load generator, the peers and their settings are in
# BENCH_DIR, which is no part of this repository; see its README.
#
#   tools/bench/run.sh            all of it, three passes in about ten minutes
#   PASSES=1 N=50000 tools/bench/run.sh w1 w2
#
# Words choose parts: w1, w2, w2rate, latency, broker, core. PROFILE=seconds writes
# a CPU profile of the gateway in each part to $WORK. core alone needs nothing but
# Go (and 4 GiB, for a million customers) and prints its section.
set -euo pipefail
cd "$(dirname "$0")/../.."
BENCH_DIR=$(realpath -m "${BENCH_DIR:-../shared/bench}")
CACHE=${TOUCHPOINT_CACHE:-$HOME/.cache/touchpoint}
export BIN=$CACHE/bench WORK=${WORK:-$CACHE/bench/work} TOUCHPOINT=$PWD/bin/touchpoint
PASSES=${PASSES:-3} N=${N:-100000} OUT=${OUT:-docs/performance.md}
PARTS=${*:-w1 w2 w2rate latency broker core}
RESULTS=$WORK/results.jsonl
CONF=$BENCH_DIR/conf
BROKER="mosquitto -c $CONF/mosquitto-tuned.conf"
export PATH=$PATH:/usr/sbin

build() {
	mkdir -p "$BIN" "$WORK/logs"
	tools/servers/debian.sh mosquitto
	go build -trimpath -o bin/touchpoint ./cmd/touchpoint
	go build -o "$BIN/bench" ./tools/bench
	(cd "$BENCH_DIR/peerbench" && go build -o "$BIN/peerbench" .)
	[ -x "$BIN/influxd" ] || GOBIN=$BIN go install github.com/influxdata/influxdb/cmd/influxd@v1.8.10
	[ -x "$BIN/telegraf" ] || GOBIN=$BIN go install \
		-tags custom,inputs.mqtt_consumer,outputs.influxdb_v2,parsers.json_v2,parsers.xpath,serializers.influx \
		github.com/influxdata/telegraf/cmd/telegraf@v1.37.0
}

influx() {
	rm -rf "$WORK/inf"
	(cd "$WORK" && exec "$BIN/influxd" -config "$CONF/influxd.conf" >logs/influxd.log 2>&1) &
	INFLUX_PID=$!
	trap 'kill "$INFLUX_PID" 2>/dev/null; wait "$INFLUX_PID" 2>/dev/null || true' EXIT
	for _ in $(seq 100); do
		sleep 0.2
		kill -0 "$INFLUX_PID" || break # the port is taken, or worse
		curl -fso /dev/null http://127.0.0.1:28086/ping && return
	done
	echo "influxd does not answer; see $WORK/logs/influxd.log" >&2
	exit 1
}

gateway() { # gateway external|embedded DEVICES journeys…: the options of a driver
	local mode=$1 devices=$2
	shift 2
	PEER="tools/bench/peer.sh $mode ${SNAPSHOT:-1m}"
	SETUP="$BIN/bench setup -grpc 127.0.0.1:28070 -devices $devices $*"
}

profile() { # profile NAME: of the gateway that runs now
	PROFILING=
	[ -n "${PROFILE:-}" ] || return 0
	export DEBUG_LISTEN=127.0.0.1:28099
	(sleep "${PROFILE_AFTER:-6}" && curl -fso "$WORK/$1.pprof" "http://$DEBUG_LISTEN/debug/pprof/profile?seconds=$PROFILE") &
	PROFILING=$!
}

note() { tee -a "$RESULTS"; }

w1() { # w1 NAME PEER SETUP WARM
	"$BIN/peerbench" run -name "w1 $1" -dir "$WORK/logs" -influx-pid "$INFLUX_PID" -broker "$BROKER" \
		-peer "$2" -setup "$3" -warm "$4" -n "$N" | note
}

w2() { # w2 NAME PEER SETUP WARM FILTER [options]
	"$BIN/bench" drive -name "$1" -dir "$WORK/logs" -influx-pid "$INFLUX_PID" -broker "$BROKER" \
		-peer "$2" -setup "$3" -warm "$4" -out "$5" "${@:6}" | note
}

core() { # the benchmarks of the pure core; state apart from speed, which wants many events
	local go="go test ./gateway/journey -run ^\$ -timeout 60m -count $PASSES"
	$go -bench 'Core(Journeys|Customers)?$' -benchtime 2000000x | tee "$WORK/logs/core.txt" >&2
	$go -bench 'Core(Memory|Restart|Timers)$' -benchtime 1x | tee -a "$WORK/logs/core.txt" >&2
	go run ./tools/bench core "$WORK/logs/core.txt"
}

pass() {
	local part
	for part in $PARTS; do
		case $part in
		w1)
			gateway external 0 deploy/journeys/{welcome,descaling,we-miss-you}.yaml
			profile w1
			w1 touchpoint "$PEER" "$SETUP" 4s
			w1 lp "$BIN/peerbench lp" "" 2s
			w1 telegraf "$BIN/telegraf --config $CONF/telegraf-json_v2.conf" "" 4s
			;;
		w2)
			gateway external 2000 deploy/journeys/every-100.yaml
			profile w2
			w2 "w2 touchpoint" "$PEER" "$SETUP" 4s 'touchpoint/v1/+/+/messages' -n $((2 * N))
			w2 "w2 lp" "$BIN/peerbench lp -rule 100" "" 2s 'out/#' -n $((2 * N))
			;;
		w2rate)
			gateway external 200 deploy/journeys/every-100.yaml
			profile w2rate
			w2 "w2rate touchpoint" "$PEER" "$SETUP" 4s 'touchpoint/v1/+/+/messages' -n 30000 -rate 2000 -devices 200
			w2 "w2rate lp" "$BIN/peerbench lp -rule 100" "" 2s 'out/#' -n 30000 -rate 2000 -devices 200
			;;
		latency)
			SNAPSHOT=5s gateway embedded 2000 tools/bench/water-low.yaml
			profile latency
			"$BIN/bench" drive -name "latency touchpoint" -dir "$WORK/logs" -influx-pid "$INFLUX_PID" \
				-peer "$PEER" -setup "$SETUP" -warm 4s -special 20 -rate 2000 -n 40000 | note
			;;
		broker)
			PROFILING=
			go test ./gateway/ingest -run '^$' -bench BenchmarkEmbeddedBrokerToLog -benchtime 300000x | tee -a "$WORK/logs/broker.txt" |
				"$BIN/bench" line "broker touchpoint" | note
			;;
		core) ;; # once, at the end: it makes its passes itself
		*) echo "no such part: $part" >&2; exit 2 ;;
		esac
		[ -z "$PROFILING" ] || wait "$PROFILING" || true
	done
}

if [ "$PARTS" = core ]; then
	mkdir -p "$WORK/logs"
	core
	exit
fi
build
influx
: >"$RESULTS"
for n in $(seq "$PASSES"); do
	echo "pass $n of $PASSES, load $(cut -d' ' -f1-3 /proc/loadavg)" >&2
	pass
done
"$BIN/bench" report -passes "$PASSES" -notes tools/bench/notes.md "$RESULTS" >"$OUT.new"
case " $PARTS " in *" core "*)
	core >>"$OUT.new"
	cat tools/bench/notes-core.md >>"$OUT.new"
	;;
esac
mv "$OUT.new" "$OUT"
echo "written: $OUT" >&2
