# The internet in a few namespaces, and homes behind NATs of nftables. Sourced after lib.sh.
#
# Everybody on the internet has the address 20.N.0.1 and is reached over one switch: no routes to keep, and no two in one
# /16, as the DHT wants it. Every home is 192.168.1.0/24, so that an address in a peer's record is also somebody else's.
# The kinds are those of tests/data/nat/kinds.txt.

kinds_file=$root/tests/data/nat/kinds.txt

# internet: the switch in the middle.
internet() {
    host internet
    plain_switches internet
    ip -n "$(ns internet)" link add bridge up type bridge
}

# plain_switches HOST: what its bridges pass does not meet its rules for routed packets. It does where some other program of
# this machine has loaded br_netfilter.
plain_switches() { on "$1" sysctl -qew net.bridge.bridge-nf-call-iptables=0 2>/dev/null; }

# plug NAME INTERFACE N: an interface on the internet, with the address 20.N.0.1. Private addresses lead nowhere there.
plug() {
    local net
    link "$1" "$2" internet "port$3"
    ip -n "$(ns internet)" link set "port$3" master bridge
    address "$1" "$2" "20.$3.0.1/32"
    ip -n "$(ns "$1")" route add default dev "$2"
    for net in 10.0.0.0/8 100.64.0.0/10 172.16.0.0/12 192.168.0.0/16; do
        ip -n "$(ns "$1")" route add blackhole "$net"
    done
}

# on_internet NAME N: a host with a public address.
on_internet() {
    host "$1"
    link "$1" eth0 internet "port$2"
    ip -n "$(ns internet)" link set "port$2" master bridge
    address "$1" eth0 "20.$2.0.1/32"
    ip -n "$(ns "$1")" route add default dev eth0
}

# box NAME KIND N: a home's router with the public address 20.N.0.1 and 192.168.1.1 inside. A "cgn" is two: the home's
# own, a port-restricted one, and the carrier's, NAME-carrier, which is where the public address is.
box() {
    local name=$1 kind=$2 number=$3
    host "$name"
    forwards "$name"
    if [ "$kind" = cgn ]; then
        host "$name-carrier"
        forwards "$name-carrier"
        plug "$name-carrier" outside "$number"
        link "$name-carrier" inside "$name" outside
        address "$name-carrier" inside "100.64.$number.1/24"
        address "$name" outside "100.64.$number.2/24"
        ip -n "$(ns "$name")" route add default via "100.64.$number.1"
        translate "$name-carrier" carrier "$number"
        translate "$name" port-restricted "$number"
    else
        plug "$name" outside "$number"
        translate "$name" "$kind" "$number"
    fi
}

# home NAME BOX [LAN [HOST]]: a host behind it: 192.168.1.2, or 192.168.LAN.HOST. Between the LANs of a box nothing passes.
home() {
    local name=$1 box=$2 lan=${3:-1} number=${4:-2}
    host "$name"
    if ! ip -n "$(ns "$box")" link show "inside$lan" >/dev/null 2>&1; then
        ip -n "$(ns "$box")" link add "inside$lan" up type bridge
        address "$box" "inside$lan" "192.168.$lan.1/24"
    fi
    link "$name" eth0 "$box" "lan$lan-$number"
    ip -n "$(ns "$box")" link set "lan$lan-$number" master "inside$lan"
    address "$name" eth0 "192.168.$lan.$number/24"
    ip -n "$(ns "$name")" route add default via "192.168.$lan.1"
}

forwards() {
    plain_switches "$1"
    on "$1" sysctl -qw net.ipv4.ip_forward=1
}

# translate BOX KIND N: the rules. The kernel's own translation preserves ports and filters by address and port; what is
# unsolicited is dropped before it can become a connection of the router's own, which would take the place of the one that
# is about to be made from inside.
translate() {
    local name=$1 kind=$2 number=$3
    timeouts "$name" "$kind"
    rules "$kind" "20.$number.0.1" | on "$name" nft -f -
}

timeouts() {
    local first=30 kept=180
    [ "$2" != short ] || { first=5 kept=5; }
    on "$1" sysctl -qw net.netfilter.nf_conntrack_udp_timeout=$first net.netfilter.nf_conntrack_udp_timeout_stream=$kept
}

# forget BOX: its connections and what it learnt from them.
forget() {
    on "$1" python3 - <<'PYTHON'
import socket, struct
netlink = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12)  # NETLINK_NETFILTER
# nfnetlink's IPCTNL_MSG_CT_DELETE without a tuple: all of them.
netlink.send(struct.pack("=IHHII", 20, 1 << 8 | 2, 1 | 4, 1, 0) + struct.pack("=BBH", 0, 0, 0))
assert struct.unpack("=i", netlink.recv(1024)[16:20])[0] == 0
PYTHON
}
# becomes BOX KIND N: it is of another kind from now on, and knows of no connection.
becomes() {
    on "$1" nft flush ruleset
    translate "$@"
    forget "$1"
}

# Who may come in unasked: what was sent from inside leaves its outside port in @ports, and to whom in @asked.
learnt() {
    cat <<'RULES'
        map ports { type inet_service : ipv4_addr . inet_service; flags dynamic,timeout; timeout 180s; size 4096; }
        set asked { type inet_service . ipv4_addr; flags dynamic,timeout; timeout 180s; size 4096; }
        chain learn {
            type filter hook postrouting priority srcnat + 10;
            oifname "outside" meta l4proto udp update @ports { ct reply proto-dst : ct original ip saddr . ct original proto-src }
            oifname "outside" meta l4proto udp update @asked { ct reply proto-dst . ip daddr }
        }
RULES
}

rules() {
    local entry='' source='masquerade' turned=''
    case $1 in
    full-cone) entry='iifname "outside" meta l4proto udp dnat ip to udp dport map @ports' ;;
    address-restricted) entry='iifname "outside" udp dport . ip saddr @asked dnat ip to udp dport map @ports' ;;
    symmetric) source='masquerade fully-random' ;;
    # One subscriber's block: the port is not the one inside, and the same towards everybody.
    carrier)
        entry='iifname "outside" meta l4proto udp dnat ip to udp dport map @ports'
        source='udp sport 9000 masquerade to :21000'
        ;;
    hairpin)
        entry='fib daddr type local meta l4proto udp dnat ip to udp dport map @ports'
        turned="iifname inside* oifname inside* ct status dnat snat to $2"
        ;;
    port-restricted | short | udp-blocked) ;;
    *) fail "there is no NAT of the kind $1" ;;
    esac
    cat <<RULES
    table ip nat {
$([ -z "$entry" ] || learnt)
        chain before { type nat hook prerouting priority dstnat;
            $entry
        }
        chain after { type nat hook postrouting priority srcnat;
            $turned
            oifname "outside" meta l4proto udp $source
            oifname "outside" masquerade
        }
    }
    table ip filter {
        chain input { type filter hook input priority 0; policy drop;
            ct state established,related accept
            iifname != "outside" fib daddr . iif type local accept
        }
        chain forward { type filter hook forward priority 0; policy drop;
            $([ "$1" != udp-blocked ] || printf 'meta l4proto udp drop')
            ct state established,related accept
            ct status dnat accept
            iifname "inside*" oifname "outside" accept
        }
    }
RULES
}

# expected CALLER CALLEE: what the table says of these kinds.
expected() {
    awk -v caller="$1" -v callee="$2" '
        $1 == "#" && $2 == "caller" { for (i = 3; i <= NF; i++) if ($i == callee) column = i - 1 }
        $1 == caller { print $column }' "$root/tests/data/nat/pairs.txt"
}

# seeds N...: nodes on the internet that everybody asks first; they are in no network and nobody's peers.
seeds() {
    local number
    bootstrap=()
    for number in "$@"; do
        on_internet "seed$number" "$number"
        start "seed$number" --bootstrap-mode --public-ip "20.$number.0.1" "${bootstrap[@]:---bootstrap=none}"
        bootstrap+=(--bootstrap "20.$number.0.1:9000")
    done
}

# member HOST [OPTION...]: starts a daemon that knows the seeds and is in the network of $founder, without waiting for it.
founder=first
member() {
    local name=$1
    shift
    [ "$name" = "$founder" ] || same_network "$founder" "$name"
    launch "$name" "${bootstrap[@]}" "$@"
}

# way HOST OTHER: how HOST reaches OTHER now: direct, gateway or none.
way() {
    local found
    found=$(peer "$1" "$2" 2>/dev/null | jq -r "$way_filter") || true
    printf '%s\n' "${found:-none}"
}
way_filter='if .state != "connected" then "none" elif .via == "direct" then "direct" else "gateway" end'
way_is() { [ "$(way "$1" "$2")" = "$3" ]; }

# stream FROM ADDRESS: pings there 20 times a second in the background; its process ID in $stream.
stream() {
    ip netns exec "$(ns "$1")" ping -n -D -i 0.05 "$2" >"$work/stream" &
    stream=$!
}
# outage: ends it; the longest time without an answer after the first one, in ms.
outage() {
    kill -INT "$stream" 2>/dev/null || true
    wait "$stream" 2>/dev/null || true
    tr -d '[]' <"$work/stream" | awk '/bytes from/ { if (last && $1 - last > longest) longest = $1 - last; last = $1 } END { printf "%d", longest * 1000 }'
}

# keeper HOST: answers each file that it is sent over TCP with its checksum.
keeper() {
    ip netns exec "$(ns "$1")" socat TCP4-LISTEN:5001,reuseaddr,fork SYSTEM:sha256sum >/dev/null 2>&1 &
}
# moved FROM ADDRESS FILE: the file arrives there unchanged.
moved() {
    [ "$(on "$1" timeout 40 socat -t 30 - "TCP4:$2:5001,connect-timeout=10" <"$3" | cut -c1-64)" = "$(digest "$3")" ]
}
