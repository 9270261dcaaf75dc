# What the end-to-end tests share: hosts that are network namespaces, real daemons in them, bounded waiting, assertions.
# Sourced by bash.
#
# What it keeps true: everything made here has a name or a folder of this test's own, and is gone when the test is over,
# however it ends. A trap sees to that; should the test itself be killed, a watcher outside its process tree does.
#
# A host is named by a word (a, b, r). Its namespace is $(ns a), its files are in $work/a, its daemon's process ID is
# in ${daemon[a]}.
set -euo pipefail
export LC_ALL=C

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
QE_BIN=${QE_BIN:-$root/build/release/quicether}
test_name="$(realpath "$0")${*:+ $*}"

# Exit status 77 is ctest's "skipped".
skip() { printf 'skipped: %s\n' "$*"; exit 77; }

if [ "$(id -u)" != 0 ]; then
    sudo -n true 2>/dev/null ||
        skip "network namespaces and TUN need root; run as root, or let sudo work without a password"
    exec sudo -n env "PATH=$PATH" "QE_BIN=$QE_BIN" ${QE_NODE:+"QE_NODE=$QE_NODE"} "QE_TIER=${QE_TIER:-quick}" bash "$0" "$@"
fi

work=$(mktemp -d "${TMPDIR:-/tmp}/quicether-e2e.XXXXXX")
chmod 711 "$work"
tag=qe-${work##*.}
hosts=()
declare -A daemon=()

ns() { printf '%s-%s' "$tag" "$1"; }

# unhost: ends every process in this test's namespaces and removes them. They are found by their tag, so that the
# watcher needs to know nothing else.
unhost() {
    local namespace pid
    for namespace in $(ip netns list 2>/dev/null | awk -v tag="$tag-" 'index($1, tag) == 1 { print $1 }'); do
        for pid in $(ip netns pids "$namespace" 2>/dev/null); do
            kill -KILL "$pid" 2>/dev/null || true
        done
        ip netns del "$namespace" 2>/dev/null || true
    done
}

sweep() {
    unhost
    # What a host mounted, it mounted below its folder.
    awk -v work="$work/" 'index($2, work) == 1 { print $2 }' /proc/mounts | sort -r | while read -r mount; do
        umount -l "$mount" 2>/dev/null || true
    done
    rm -rf "$work"
}

finish() {
    local status=$?
    [ "$BASHPID" = "$$" ] || exit "$status" # a subshell's end is not the test's
    trap - EXIT INT TERM HUP ERR
    [ "$status" -eq 0 ] || [ "$status" -eq 77 ] || report
    [ -z "${watcher:-}" ] || kill -- "-$watcher" 2>/dev/null || true
    sweep
    exit "$status"
}

# What one wants to see of a test that failed.
report() {
    set +e
    exec >&2 # standard output may be anywhere when a test ends
    local host
    printf '\n%s failed at %s\n' "$test_name" "${failed_at:-an unknown line}"
    for host in "${hosts[@]}"; do
        [ -s "$work/$host/log" ] || continue
        printf -- '--- log of %s (end)\n' "$host"
        tail -n 40 "$work/$host/log"
        if [ -n "${daemon[$host]:-}" ]; then
            printf -- '--- peers of %s\n' "$host"
            timeout 5 ip netns exec "$(ns "$host")" "$QE_BIN" peers --control "$work/$host/control.sock"
            printf -- '--- what %s has counted\n' "$host"
            on "$host" curl -sS --max-time 5 --unix-socket "$work/$host/control.sock" http://localhost/metrics |
                awk '!/^#/ && $NF != 0' | paste -sd ' ' | fold -sw 150
        fi
    done
    printf 'commit %s\nrerun: QE_BIN=%s %s\n' \
        "$(git -c safe.directory='*' -C "$root" rev-parse --short HEAD 2>/dev/null || printf unknown)" "$QE_BIN" "$test_name"
}

set -E
trap 'failed_at=${failed_at:-line $LINENO of ${BASH_SOURCE[0]##*/}: $BASH_COMMAND}' ERR
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# The watcher: reparented to init, so that killing this test's process tree leaves it alive. It sweeps once the test is
# gone; the trap above ends it first where it can.
watch_over() {
    (
        exec </dev/null >/dev/null 2>&1
        setsid bash -c '
            printf "%s\n" "$$" >"$1/watcher"
            tail --pid="$2" -f /dev/null
            '"$(declare -f unhost sweep)"'
            tag=$3 work=$1
            sweep' watcher "$work" "$$" "$tag" &
    )
    while [ ! -s "$work/watcher" ]; do sleep 0.01; done
    watcher=$(cat "$work/watcher")
}
watch_over

say() { printf '%s  %s\n' "$(date +%T.%3N)" "$*"; }

fail() {
    local frame
    for ((frame = 1; frame < ${#BASH_SOURCE[@]}; frame++)); do
        [ "${BASH_SOURCE[frame]}" = "${BASH_SOURCE[0]}" ] || break
    done
    failed_at="line ${BASH_LINENO[frame - 1]}"
    printf 'FAILED: %s\n' "$*" >&2
    exit 1
}

# check WHAT COMMAND...: the command must succeed.
check() {
    local what=$1
    shift
    "$@" || fail "$what"
    say "ok: $what"
}

# refuse WHAT COMMAND...: the command must fail.
refuse() {
    local what=$1
    shift
    ! "$@" || fail "$what"
    say "ok: $what"
}

# found PATTERN: grep -q that reads to the end; a writer that is cut off would fail the pipe.
found() { grep "$@" >/dev/null; }

now_ms() { printf '%s' $(($(date +%s%N) / 1000000)); }

# wait_until SECONDS WHAT COMMAND...: until the command succeeds, or the test fails.
wait_until() {
    local bound=$1 what=$2 start
    shift 2
    start=$(now_ms)
    until "$@" >/dev/null 2>&1; do
        [ $(($(now_ms) - start)) -lt $((bound * 1000)) ] || fail "$what, within $bound s"
        sleep 0.05
    done
    waited_ms=$(($(now_ms) - start))
    say "ok: $what ($waited_ms ms)"
}

# Hosts and links

# host NAME...: network namespaces with loopback up.
host() {
    local name
    for name in "$@"; do
        ip netns add "$(ns "$name")"
        hosts+=("$name")
        mkdir -p "$work/$name"
        chmod 711 "$work/$name"
        on "$name" ip link set lo up
        # Addresses must be usable at once.
        on "$name" sysctl -qw net.ipv6.conf.default.accept_dad=0 net.ipv6.conf.all.accept_dad=0
    done
}

# on HOST COMMAND...
on() {
    local name=$1
    shift
    ip netns exec "$(ns "$name")" "$@"
}

# link HOST INTERFACE HOST INTERFACE [MTU]: a veth pair, up.
link() {
    local mtu=${5:-1500}
    ip -n "$(ns "$1")" link add "$2" mtu "$mtu" type veth peer name "$4" mtu "$mtu" netns "$(ns "$3")"
    ip -n "$(ns "$1")" link set "$2" up
    ip -n "$(ns "$3")" link set "$4" up
}

# address HOST INTERFACE CIDR...
address() {
    local name=$1 interface=$2 cidr
    shift 2
    for cidr in "$@"; do
        case $cidr in
        *:*) ip -n "$(ns "$name")" address add "$cidr" dev "$interface" nodad ;;
        *) ip -n "$(ns "$name")" address add "$cidr" dev "$interface" ;;
        esac
    done
}

# pair [MTU]: hosts a and b, joined directly: 10.9.0.1, fd09::1 and 10.9.0.2, fd09::2.
pair() {
    host a b
    link a eth0 b eth0 "${1:-1500}"
    address a eth0 10.9.0.1/24 fd09::1/64
    address b eth0 10.9.0.2/24 fd09::2/64
}

# routed [MTU]: hosts a and b with a router r between; the second link has that MTU: 10.9.1.1 and 10.9.2.2, fd09:1::1
# and fd09:2::2.
routed() {
    local family
    host a r b
    link a eth0 r left
    link r right b eth0 "${1:-1500}"
    address a eth0 10.9.1.1/24 fd09:1::1/64
    address r left 10.9.1.254/24 fd09:1::254/64
    address r right 10.9.2.254/24 fd09:2::254/64
    address b eth0 10.9.2.2/24 fd09:2::2/64
    on r sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
    ip -n "$(ns a)" route add default via 10.9.1.254
    ip -n "$(ns a)" -6 route add default via fd09:1::254
    ip -n "$(ns b)" route add default via 10.9.2.254
    ip -n "$(ns b)" -6 route add default via fd09:2::254
}

# mesh HOST...: that many hosts at one switch: 10.9.0.1, fd09::1 for the first, 10.9.0.2, fd09::2 for the second, …
mesh() {
    local name number=0
    host switch "$@"
    ip -n "$(ns switch)" link add bridge up type bridge
    for name in "$@"; do
        number=$((number + 1))
        link "$name" eth0 switch "port$number"
        ip -n "$(ns switch)" link set "port$number" master bridge
        address "$name" eth0 "10.9.0.$number/24" "fd09::$number/64"
    done
}

# same_network HOST OTHER...: the others have the first one's network secret. Their daemons must not run.
same_network() {
    local first=$1 name
    shift
    for name in "$@"; do
        mkdir -p -m 700 "$work/$name/state"
        cp -p "$work/$first/state/network.key" "$work/$name/state/"
    done
}

# underlay HOST 4|6 [PORT]: where the host's daemon is dialled, as pair and routed have it.
underlay() {
    local found port=${3:-9000}
    if [ "$2" = 4 ]; then
        found=$(on "$1" ip -j -4 address show dev eth0 | jq -r '.[0].addr_info[0].local')
        printf '%s:%s' "$found" "$port"
    else
        found=$(on "$1" ip -j -6 address show dev eth0 scope global | jq -r '.[0].addr_info[0].local')
        printf '[%s]:%s' "$found" "$port"
    fi
}

# Daemons

# qe HOST COMMAND...: the command line, talking to that host's daemon.
qe() {
    local name=$1 command=$2
    shift 2
    on "$name" timeout 20 "$QE_BIN" "$command" --control "$work/$name/control.sock" "$@"
}

# id_of HOST: its node ID; makes the identity if there is none.
id_of() {
    "$QE_BIN" id --state-dir "$work/$1/state"
}

up() { qe "$1" status --json; }
# status HOST FILTER: what jq makes of its status.
status() { up "$1" | jq -re "$2"; }
# status_is HOST FILTER VALUE
status_is() { [ "$(status "$1" "$2")" = "$3" ]; }
# joined HOST: it is in the DHT.
joined() { status_is "$1" .discovery.state joined; }
# new_network HOST: makes one; its ID on standard output. Its daemon must not run.
new_network() {
    "$QE_BIN" network new --state-dir "$work/$1/state" --json | jq -re .network_id
}
# resident HOST: the daemon's memory in KiB; bounded HOST: it is no more than a daemon may ever have under attack. The
# address sanitizer keeps freed memory for a while.
resident() { awk '/^VmRSS/ { print $2 }' "/proc/${daemon[$1]}/status"; }
resident_max=65536
! grep -qa __asan_init "$QE_BIN" || resident_max=524288
bounded() { [ "$(resident "$1")" -lt "$resident_max" ]; }

alive() { kill -0 "${daemon[$1]}" 2>/dev/null; }

# launch HOST [OPTION...]: starts the daemon and does not wait for it.
launch() {
    local name=$1
    shift
    printf '=== %s starts: %s\n' "$(date +%T.%3N)" "$*" >>"$work/$name/log"
    # Not through `on`: the process ID must be the daemon's, not a subshell's.
    ip netns exec "$(ns "$name")" "$QE_BIN" start --state-dir "$work/$name/state" --control "$work/$name/control.sock" --name "$name" \
        "$@" >>"$work/$name/log" 2>&1 </dev/null &
    daemon[$name]=$!
}

# start HOST [OPTION...]: and waits until it is up.
start() {
    local name=$1
    launch "$@"
    wait_until 10 "the daemon on $name is up" up_or_dead "$name"
    alive "$name" || fail "the daemon on $name ended instead of coming up"
}
up_or_dead() { up "$1" || ! alive "$1"; }

# ended HOST: the daemon's process is gone; its exit status in $ended_status.
ended() { ! alive "$1"; }
reap() {
    wait_until "$2" "the daemon on $1 has ended" ended "$1"
    ended_status=0
    wait "${daemon[$1]}" || ended_status=$?
    unset "daemon[$1]"
}

# stop HOST: asks it to stop, as a user would.
stop() {
    qe "$1" stop
    reap "$1" 5
    [ "$ended_status" -eq 0 ] || fail "the daemon on $1 ended with status $ended_status after stop"
}

# murder HOST: no goodbye.
murder() {
    kill -KILL "${daemon[$1]}"
    wait "${daemon[$1]}" 2>/dev/null || true
    unset "daemon[$1]"
}

# connect [4|6]: both daemons; a dials b, b waits to be dialled.
connect() {
    local family=${1:-4}
    start b --peer "$(id_of a)"
    start a --peer "$(id_of b)@$(underlay b "$family")"
    wait_until 5 "a ping from a to b is answered" answers a b
}

# overlay HOST 4|6: its address inside the overlay, as the kernel has it.
overlay() {
    on "$1" ip -j "-$2" address show dev quicether0 scope global | jq -re '.[0].addr_info[0].local'
}

# answered HOST ADDRESS [SECONDS]: one ping over the overlay comes back, in that time.
answered() { on "$1" ping -n -c 1 -W "${3:-1}" "$2" >/dev/null; }
# answers HOST OTHER [4|6]: one ping over the overlay comes back.
answers() {
    local to
    to=$(overlay "$2" "${3:-4}") && on "$1" ping -n -c 1 -W 1 "$to" >/dev/null
}

# peer HOST OTHER: what HOST's daemon says about OTHER, as one JSON object.
peer() {
    qe "$1" peers --json | jq -e --arg id "$(id_of "$2")" '.peers[] | select(.node_id == $id)'
}
peer_state() { peer "$1" "$2" | jq -r '.state'; }
# peer_is HOST OTHER STATE|STATE...
peer_is() { peer_state "$1" "$2" | found -xE -- "$3"; }

# counter HOST NAME: a metric, its samples added up; the name without "quicether_".
counter() {
    on "$1" curl -sS --fail --max-time 5 --unix-socket "$work/$1/control.sock" http://localhost/metrics |
        awk -v name="quicether_$2" '
            { metric = $1; sub(/\{.*/, "", metric) }
            metric == name { sum += $NF; found = 1 }
            END { if (!found) exit 1; printf "%d\n", sum }'
}
# more HOST NAME BEFORE: the counter has grown past BEFORE.
more() { [ "$(counter "$1" "$2")" -gt "$3" ]; }

logged() { grep -qiE -- "$2" "$work/$1/log"; }

# Traffic. Each transfer compares checksums.

digest() { sha256sum <"$1" | cut -c1-64; }

# difference SENT RECEIVED SIZE: what became of datagrams of that size.
difference() {
    python3 - "$@" <<'PYTHON'
import sys
sent, received = (open(path, "rb").read() for path in sys.argv[1:3])
size = int(sys.argv[3])
cut = lambda b: [b[i:i + size] for i in range(0, len(b), size)]
place = {datagram: index for index, datagram in enumerate(cut(sent))}
order = [place.get(datagram) for datagram in cut(received)]
changed = order.count(None)
print(f"{changed} of {len(order)} datagrams changed; the order is {order}")
PYTHON
}

# tcp FROM TO ADDRESS BYTES: a file over TCP.
tcp() {
    local from=$1 to=$2 to_address=$3 size=$4 receiver
    case $to_address in *:*) local family=6 target="[$to_address]" ;; *) local family=4 target=$to_address ;; esac
    head -c "$size" /dev/urandom >"$work/sent"
    ip netns exec "$(ns "$to")" timeout 60 socat -u "TCP$family-LISTEN:5001,bind=$target,reuseaddr" "OPEN:$work/received,creat,trunc" &
    receiver=$!
    wait_until 5 "a TCP listener is there" eval "on $to ss -Htln 'sport = 5001' | found ."
    on "$from" timeout 60 socat -u "OPEN:$work/sent" "TCP$family:$target:5001,connect-timeout=5" ||
        fail "TCP from $from to $target:5001"
    wait "$receiver" || fail "TCP from $from to $target was not received"
    [ "$(digest "$work/sent")" = "$(digest "$work/received")" ] || fail "TCP from $from to $to_address: bytes differ"
    say "ok: $size bytes over TCP from $from to $to_address, unchanged"
}

# udp FROM TO ADDRESS COUNT SIZE: that many datagrams of that size, none lost, none changed, in order.
udp() {
    local from=$1 to=$2 to_address=$3 count=$4 size=$5 receiver
    case $to_address in *:*) local family=6 target="[$to_address]" ;; *) local family=4 target=$to_address ;; esac
    head -c $((count * size)) /dev/urandom >"$work/sent"
    : >"$work/received"
    ip netns exec "$(ns "$to")" timeout 60 socat -u -b 65536 "UDP$family-RECV:5002,bind=$target" \
        "OPEN:$work/received,append" 2>/dev/null &
    receiver=$!
    wait_until 5 "a UDP listener is there" eval "on $to ss -Huln 'sport = 5002' | found ."
    # From one socket, so that it is one flow and has an order; in bursts that a receive buffer of the default size
    # holds, each sent when the one before it has arrived, however slow the receiver is today.
    on "$from" timeout 60 python3 - "$work/sent" "$to_address" "$size" "$work/received" <<'PYTHON' || true
import os, socket, sys, time
sent, to, size, received = open(sys.argv[1], "rb").read(), sys.argv[2], int(sys.argv[3]), sys.argv[4]
sender = socket.socket(socket.AF_INET6 if ":" in to else socket.AF_INET, socket.SOCK_DGRAM)
for index, at in enumerate(range(0, len(sent), size)):
    if index % 20 == 19:
        give_up = time.monotonic() + 5
        while os.stat(received).st_size < at:
            if time.monotonic() > give_up:
                sys.exit(1)
            time.sleep(0.001)
    sender.sendto(sent[at:at + size], (to, 5002))
PYTHON
    wait_until 5 "$count datagrams of $size bytes from $from to $to_address arrive" \
        eval "[ \$(stat -c %s $work/received) -eq $((count * size)) ]"
    [ "$(digest "$work/sent")" = "$(digest "$work/received")" ] ||
        fail "UDP from $from to $to_address: $(difference "$work/sent" "$work/received" "$size")"
    kill "$receiver" 2>/dev/null || true
    wait "$receiver" 2>/dev/null || true
}
