# The internet in a few namespaces, and homes behind NATs of nftables. Sourced after lib.sh.
#
# Everybody on the internet has the address 20.N.0.1 and is reached over one switch: no routes to keep, and no two in one
# /16, as the DHT wants it. Every home is 192.168.1.0/24, so that an address in a peer's record is also somebody else's.
# The kinds are those of tests/data/nat/kinds.txt.

kinds_file=$root/tests/data/nat/kinds.txt

# internet: the switch in the middle.
internet() {
    host internet
    ip -n "$(ns internet)" link add bridge up type bridge
}

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

# home NAME BOX [LAN]: a host behind it: 192.168.1.2, on a LAN of its own (192.168.LAN.2) that others of the same home are
# not on.
home() {
    local lan=${3:-1}
    host "$1"
    link "$1" eth0 "$2" "inside$lan"
    address "$2" "inside$lan" "192.168.$lan.1/24"
    address "$1" eth0 "192.168.$lan.2/24"
    ip -n "$(ns "$1")" route add default via "192.168.$lan.1"
}

forwards() { on "$1" sysctl -qw net.ipv4.ip_forward=1; }

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
            oifname "outside" $source
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
