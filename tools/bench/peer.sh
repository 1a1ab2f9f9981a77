#!/usr/bin/env bash
# Starts the gateway on an empty data directory: peer.sh external|embedded SNAPSHOT.
# INFLUX_URL comes from the driver, WORK and TOUCHPOINT from run.sh.
set -euo pipefail
case $1 in
external) mqtt='{brokers: ["tcp://127.0.0.1:21883"], window: 65535}' ;;
embedded) mqtt='{listen: "127.0.0.1:21883"}' ;;
*) echo "external or embedded, not $1" >&2; exit 2 ;;
esac
rm -rf "$WORK/data"
sed -e "s|DATA|$WORK/data|" -e "s|MQTT|$mqtt|" -e "s|SNAPSHOT|$2|" -e "s|INFLUX\"|$INFLUX_URL\"|" \
	"$(dirname "$0")/gateway.yaml" >"$WORK/gateway.yaml"
exec "$TOUCHPOINT" serve --config "$WORK/gateway.yaml" --log-level warn ${DEBUG_LISTEN:+--debug-listen "$DEBUG_LISTEN"}
