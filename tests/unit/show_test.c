#include "cli/show.h"
#include "cli/show_dht.h"
#include "cli/show_gateways.h"
#include "unit.h"

#include <stdlib.h>
#include <string.h>

static void check(int (*show)(const json_t *, FILE *), const char *json, const char *expected)
{
    char *text = NULL;
    size_t size = 0;
    json_error_t error;
    json_t *tree = json_loads(json, 0, &error);
    CU_ASSERT_PTR_NOT_NULL_FATAL(tree);
    FILE *out = open_memstream(&text, &size);
    CU_ASSERT_EQUAL(show(tree, out), 0);
    fclose(out);
    CU_ASSERT_STRING_EQUAL(text, expected);
    if (strcmp(text, expected) != 0) fprintf(stderr, "expected:\n%s\ngot:\n%s\n", expected, text);
    free(text);
    json_decref(tree);
}

static void status_is_the_specification_s_four_lines(void)
{
    check(qe_show_status,
        "{\"node_id\":\"qeaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\",\"name\":\"home\",\"version\":\"0.1.0\",\"state\":\"up\","
        "\"uptime_ms\":1000,\"listen\":[\"0.0.0.0:9000\"],\"tun\":{\"name\":\"quicether0\",\"mtu\":1420,"
        "\"addresses\":[\"100.64.0.1/16\",\"fd71::1/48\"]},\"peers\":{\"configured\":6,\"connected\":5},"
        "\"paths\":{\"active\":2},\"lanes\":1,\"warnings\":[]}",
        "Node ID: qeaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n"
        "TUN Interface: quicether0 (100.64.0.1, fd71::1)\n"
        "Connected Peers: 5\n"
        "Active Paths: 2\n");
}

static void status_names_what_is_not_as_it_should_be(void)
{
    check(qe_show_status,
        "{\"node_id\":\"qea\",\"state\":\"starting\",\"tun\":{\"name\":\"\",\"addresses\":[]},"
        "\"exit\":{\"state\":\"away\",\"node_id\":\"qeb\",\"name\":\"home\",\"leak\":false},"
        "\"warnings\":[\"[multipath] does nothing yet\",\"the disk is full\"],\"notifications\":[{\"text\":\"no "
        "\\u001bgateway\",\"age_ms\":61000,\"count\":1},{\"text\":\"b\",\"age_ms\":7200000}]}",
        "Node ID: qea\nTUN Interface: -\nConnected Peers: 0\nActive Paths: 0\n"
        "Exit Node: home (away: packets go nowhere)\nState: starting\n"
        "Warning: [multipath] does nothing yet\nWarning: the disk is full\n"
        "Notification (61s ago): no ?gateway\nNotification (2h ago): b\n");
    check(qe_show_status, "{\"exit\":{\"state\":\"silent\",\"node_id\":\"qeb\",\"leak\":true}}",
        "Node ID: -\nTUN Interface: -\nConnected Peers: 0\nActive Paths: 0\n"
        "Exit Node: qeb (it advertises no default route: packets go without it)\n");
}

static void status_tells_of_the_network_and_what_is_claimed_there(void)
{
    check(qe_show_status,
        "{\"node_id\":\"qea\",\"name\":\"laptop\",\"state\":\"up\",\"tun\":{\"name\":\"t\",\"addresses\":[]},"
        "\"discovery\":{\"state\":\"joined\",\"nodes\":12,\"external\":[\"192.0.2.1:9000\",\"[2001:db8::1]:9000\"]},"
        "\"network\":{\"member\":true,\"id\":\"5b1d20c07a6e3f94\",\"members\":3,\"joining\":null,\"error\":null},"
        "\"name_claim\":{\"state\":\"held\",\"owner\":null},"
        "\"address_claims\":[{\"address\":\"100.64.1.2\",\"state\":\"held\",\"replaces\":\"100.64.1.1\","
        "\"lost_to\":\"qeb\"},{\"address\":\"fd71::1\",\"state\":\"fixed\",\"replaces\":null,\"lost_to\":null}],"
        "\"advertised\":[{\"subnet\":\"10.1.0.0/16\",\"state\":\"held\",\"reason\":null},{\"subnet\":\"10.2.0.0/16\","
        "\"state\":\"refused\",\"reason\":\"no right to forward\"}],"
        "\"dns\":{\"state\":\"served\",\"domain\":\"qe\",\"server\":\"100.64.1.2:53\",\"reason\":\"no "
        "systemd-resolved\"},"
        "\"warnings\":[]}",
        "Node ID: qea\nTUN Interface: t\nConnected Peers: 0\nActive Paths: 0\n"
        "DHT: joined, 12 nodes, seen as 192.0.2.1:9000 and [2001:db8::1]:9000\n"
        "Network: 5b1d20c07a6e3f94, 3 other members known\n"
        "Name: laptop (held)\n"
        "Address: 100.64.1.2 instead of 100.64.1.1, to which qeb's claim comes first\n"
        "Advertised: 10.1.0.0/16 (held)\n"
        "Advertised: 10.2.0.0/16 (refused: no right to forward)\n"
        "DNS: NAME.qe, but only for who asks 100.64.1.2:53: no systemd-resolved\n");
    check(qe_show_status,
        "{\"node_id\":\"qea\",\"name\":\"laptop\",\"tun\":{\"name\":\"t\"},"
        "\"discovery\":{\"state\":\"partitioned\",\"nodes\":0,\"external\":[]},"
        "\"network\":{\"member\":false,\"id\":null,\"members\":0,\"joining\":\"qeb\",\"error\":\"it has "
        "ex\\u001bpired\"},"
        "\"name_claim\":{\"state\":\"lost\",\"owner\":\"qec\"},"
        "\"address_claims\":[{\"address\":\"100.64.1.2\",\"state\":\"claiming\"}],\"dns\":{\"state\":\"on\",\"domain\":"
        "\"qe\"}}",
        "Node ID: qea\nTUN Interface: t\nConnected Peers: 0\nActive Paths: 0\n"
        "DHT: partitioned, 0 nodes\n"
        "Joining a network through: qeb\n"
        "Network not joined: it has ex?pired\n"
        "Name: laptop, but qec's claim comes first\n"
        "Address: 100.64.1.2 (claiming)\n"
        "DNS: NAME.qe\n");
}

static void routes_tell_who_stands_by_and_who_is_refused(void)
{
    check(qe_show_routes,
        "{\"routes\":[{\"destination\":\"10.1.0.0/16\",\"next_hop\":\"qea\",\"name\":\"home\",\"via\":\"direct\","
        "\"state\":\"active\"},{\"destination\":\"10.1.0.0/16\",\"next_hop\":\"qeb\",\"name\":\"\",\"via\":\"direct\","
        "\"state\":\"standby\"}],\"refused\":[{\"destination\":\"192.168.1.0/24\",\"owner\":\"qec\",\"name\":\"cafe\","
        "\"reason\":\"overlaps a network of this host\"},7]}",
        "Destination | Next Hop   | Interface\n"
        "10.1.0.0/16 | qea (home) | Direct\n"
        "10.1.0.0/16 | qeb        | Direct (standby)\n"
        "Refused: 192.168.1.0/24 of qec (cafe): overlaps a network of this host\n"
        "Refused: - of -: -\n");
}

static void answers_about_the_dht_say_how_much_it_took(void)
{
    check(qe_show_dht_lookup,
        "{\"target\":\"10.1.0.0/"
        "16\",\"kind\":\"subnet\",\"found\":true,\"owners\":[{\"node_id\":\"qea\",\"name\":\"home\","
        "\"age_s\":5210,\"addresses\":[\"192.0.2.1:9000\"],\"overlay_addresses\":[\"100.64.1.2\"]}],\"closest\":[{"
        "\"id\":\"00\",\"address\":\"x\"}],\"hops\":2,\"queries\":9,\"timeouts\":1,\"elapsed_us\":118200}",
        "qea (home), for 1h 26m, at 192.0.2.1:9000, has 100.64.1.2\n2 hops, 9 queries, 1 unanswered, 118 ms\n");
    check(qe_show_dht_lookup,
        "{\"kind\":\"target\",\"found\":false,\"owners\":[],\"closest\":[{\"id\":\"dd0b\",\"address\":\"192.0.2.1:"
        "9000\"}],"
        "\"hops\":1,\"queries\":3,\"timeouts\":0,\"elapsed_us\":900}",
        "dd0b at 192.0.2.1:9000\n1 hops, 3 queries, 0 unanswered, 0.90 ms\n");
    check(qe_show_dht_lookup, "{\"kind\":\"name\",\"owners\":[]}",
        "Not found\n0 hops, 0 queries, 0 unanswered, 0.00 ms\n");
    check(qe_show_dht_item,
        "{\"found\":true,\"value\":\"323a6869\",\"text\":\"hi\",\"mutable\":true,\"key\":\"aa\",\"seq\":4,\"hops\":1,"
        "\"queries\":8,"
        "\"timeouts\":0,\"elapsed_us\":90410}",
        "Text: hi\nKey: aa\nSequence: 4\n1 hops, 8 queries, 0 unanswered, 90 ms\n");
    check(qe_show_dht_put,
        "{\"target\":\"e5\",\"mutable\":false,\"stored\":0,\"refused_code\":302,\"refused\":\"sequence "
        "number\",\"hops\":2,"
        "\"queries\":31,\"timeouts\":1,\"elapsed_us\":241800}",
        "Target: e5\nStored on: 0 nodes\nRefused: 302 sequence number\n2 hops, 31 queries, 1 unanswered, 242 ms\n");
    check(qe_show_dht_nodes,
        "{\"nodes\":[{\"id\":\"dd0b\",\"address\":\"192.0.2.1:9000\",\"bucket\":2,\"state\":\"good\",\"rtt_us\":31200,"
        "\"heard_ms\":4100},{\"id\":\"ee\",\"rtt_us\":null,\"heard_ms\":null}]}",
        "ID   | Address        | Bucket | RTT  | Heard  | State\n"
        "dd0b | 192.0.2.1:9000 | 2      | 31ms | 4s ago | good\n"
        "ee   | -              | 0      | -    | -      | -\n");
    check(qe_show_dht_status, "{\"dhts\":[]}", "DHT: off\n");
    check(qe_show_dht_status,
        "{\"dhts\":[{\"name\":\"quicether\",\"id\":\"dd\",\"state\":\"joined\",\"joined_ms\":412,\"bootstrap_mode\":"
        "true,"
        "\"bootstrap\":[{\"address\":\"b.example:9000\",\"source\":\"default\",\"resolved\":0}],\"external\":[],"
        "\"nodes\":12,"
        "\"good_nodes\":11}]}",
        "DHT: quicether\nID: dd\nState: joined (in 412 ms), a bootstrap node\n"
        "Bootstrap: b.example:9000 (default, not resolved)\nSeen as: -\nNodes: 12 (11 good)\n"
        "Stored for others: 0 items, 0 peers, 0 records (0 bytes)\nMemory: 0 bytes\nSent: 0 bytes, received: 0 bytes\n"
        "Lookups: 0, failed: 0, unanswered questions: 0\n");
}

static void peers_have_the_specification_s_columns(void)
{
    check(qe_show_peers,
        "{\"peers\":["
        "{\"node_id\":\"qexyz7892222222222222222222222222a\",\"name\":\"\",\"state\":\"connected\","
        "\"address\":\"203.0.113.5:9000\",\"via\":\"direct\",\"rtt_us\":15400,\"retry_in_ms\":null,\"last_error\":null}"
        ","
        "{\"node_id\":\"qedef4562222222222222222222222222a\",\"name\":\"home\",\"state\":\"connected\","
        "\"address\":\"198.51.100.1:9000\",\"via\":\"gateway\",\"rtt_us\":120000},"
        "{\"node_id\":\"qerst4562222222222222222222222222a\",\"name\":\"\",\"state\":\"connected\",\"address\":null,"
        "\"via\":\"gateway\",\"gateway\":\"qeabc\",\"gateway_name\":\"colo\",\"not_direct\":\"its NAT lets nothing "
        "in\"},"
        "{\"node_id\":\"qeghi4562222222222222222222222222a\",\"name\":\"\",\"state\":\"backoff\","
        "\"address\":\"[2001:db8::1]:9000\",\"via\":\"direct\",\"rtt_us\":null,\"retry_in_ms\":3200,"
        "\"last_error\":\"no answer\"},"
        "{\"node_id\":\"qejkl4562222222222222222222222222a\",\"name\":\"\",\"state\":\"waiting\",\"address\":null,"
        "\"via\":\"direct\",\"rtt_us\":null,\"retry_in_ms\":null,\"last_error\":null}]}",
        "NodeID            | Address            | RTT   | Status\n"
        "qexyz78922        | 203.0.113.5:9000   | 15ms  | Connected\n"
        "qedef45622 (home) | 198.51.100.1:9000  | 120ms | Connected (gateway)\n"
        "qerst45622        | -                  | -     | Connected (gateway colo), not direct: its NAT lets nothing "
        "in\n"
        "qeghi45622        | [2001:db8::1]:9000 | -     | Backoff (retry in 4s: no answer)\n"
        "qejkl45622        | -                  | -     | Waiting\n");
    check(qe_show_peers, "{\"peers\":[]}", "NodeID | Address | RTT | Status\n");
}

static void short_ids_are_as_long_as_it_takes_to_tell_them_apart(void)
{
    check(qe_show_peers,
        "{\"peers\":[{\"node_id\":\"qeaaaaaaaaaaaab2\",\"state\":\"waiting\"},"
        "{\"node_id\":\"qebbbbbbbbbbbbbb\",\"state\":\"waiting\"},"
        "{\"node_id\":\"qeaaaaaaaaaaaac2\",\"state\":\"waiting\"}]}",
        "NodeID          | Address | RTT | Status\n"
        "qeaaaaaaaaaaaab | -       | -   | Waiting\n"
        "qebbbbbbbbbbbbb | -       | -   | Waiting\n"
        "qeaaaaaaaaaaaac | -       | -   | Waiting\n");
}

static void gateways_tell_why_they_are_known_and_who_is_reached_through_them(void)
{
    check(qe_show_gateways,
        "{\"behind_nat\":true,\"gateways\":[{\"node_id\":\"qea\",\"name\":\"cloud\",\"why\":[\"preferred\",\"listed\"],"
        "\"state\":\"connected\",\"rtt_us\":23140,\"retry_in_ms\":null,\"published\":true,\"relayed\":[\"qex\",\"qey\"]"
        "},"
        "{\"node_id\":\"qeb\",\"name\":\"\",\"why\":[\"named\"],\"state\":\"unhealthy\",\"rtt_us\":null,"
        "\"retry_in_ms\":1200,\"published\":false,\"relayed\":[]},{\"name\":\"\\u001bd\",\"published\":true}]}",
        "Gateway | State                         | RTT (ms) | Why               | Peers\n"
        "cloud   | connected                     | 23       | preferred, listed | 2\n"
        "qeb     | unhealthy, tried again in 2 s | -        | named             | 0\n"
        "?d      | -                             | -        | -                 | 0\n"
        "Others reach this node through cloud and ?d\n");
    check(qe_show_gateways, "{}", "Gateway | State | RTT (ms) | Why | Peers\n");
    check(qe_show_gateways, "{\"behind_nat\":true}",
        "Gateway | State | RTT (ms) | Why | Peers\n"
        "No gateway: others reach this node, which is behind a NAT, only where they can do so directly\n");
}

static void relaying_tells_for_whom(void)
{
    check(qe_show_relay, "{\"relays\":false}", "This node does not relay for others\n");
    check(qe_show_relay,
        "{\"relays\":true,\"role\":\"gateway\",\"allow\":\"allowed\",\"rate_bps\":20000000,"
        "\"volume_bytes\":10000000000,\"total_rate_bps\":1500000,\"nodes\":[{\"node_id\":\"qea\",\"circuits\":2,"
        "\"relayed_bytes\":3210000,\"dropped_packets\":7}]}",
        "This node is a gateway, for members of its network and its peers\n"
        "Limits: 20 Mbit/s and 10.0 GB a day for each node, 1500 kbit/s for all together\n"
        "Node | Circuits | Relayed | Dropped\n"
        "qea  | 2        | 3.2 MB  | 7\n");
    check(qe_show_relay, "{\"relays\":true,\"role\":\"emergency\",\"allow\":\"members\"}",
        "This node relays where there is no gateway, for members of its network\n"
        "Limits: none\n"
        "Node | Circuits | Relayed | Dropped\n");
    check(qe_show_relay, "{\"relays\":true,\"role\":\"gateway\",\"total_rate_bps\":100}",
        "This node is a gateway, for members of its network\n"
        "Limits: 100 bit/s for all together\n"
        "Node | Circuits | Relayed | Dropped\n");
}

static void routes_have_the_specification_s_columns(void)
{
    check(qe_show_routes,
        "{\"routes\":["
        "{\"destination\":\"100.64.1.2/32\",\"next_hop\":\"local\",\"name\":\"\",\"via\":\"local\","
        "\"interface\":\"quicether0\"},"
        "{\"destination\":\"10.0.0.0/16\",\"next_hop\":\"qexyz7892222222222222222222222222a\",\"name\":\"home\","
        "\"via\":\"direct\",\"interface\":\"quicether0\"},"
        "{\"destination\":\"10.1.0.0/16\",\"next_hop\":\"qexyz7892222222222222222222222222a\",\"name\":\"\","
        "\"via\":\"gateway\",\"interface\":\"quicether0\"}]}",
        "Destination   | Next Hop          | Interface\n"
        "100.64.1.2/32 | local             | Local\n"
        "10.0.0.0/16   | qexyz78922 (home) | Direct\n"
        "10.1.0.0/16   | qexyz78922        | Gateway\n");
}

// Whoever listens on the socket is not trusted with the terminal, and a newer daemon may know other fields.
static void other_shapes_and_control_characters_do_no_harm(void)
{
    check(qe_show_peers,
        "{\"peers\":[1,{},{\"node_id\":7,\"state\":null,\"address\":{},\"rtt_us\":\"x\"},"
        "{\"node_id\":\"qe\\u001b[2J\",\"state\":\"\\n\\u007f\",\"address\":\"a\\tb\",\"rtt_us\":-5}]}",
        "NodeID | Address | RTT    | Status\n"
        "-      | -       | -      | -\n"
        "-      | -       | -      | -\n"
        "-      | -       | -      | -\n"
        "qe?[2J | a?b     | 0.00ms | ??\n");
    check(qe_show_peers, "{\"peers\":7}", "NodeID | Address | RTT | Status\n");
    check(qe_show_routes, "{}", "Destination | Next Hop | Interface\n");
    check(qe_show_status, "{\"tun\":[],\"peers\":1,\"warnings\":[1,\"\\u001b\"]}",
        "Node ID: -\nTUN Interface: -\nConnected Peers: 0\nActive Paths: 0\nWarning: ?\n");
}

static void times_have_about_three_digits(void)
{
    static const struct {
        int64_t us;
        const char *text;
    } rows[] = {
        {-1, "0.00"},
        {0, "0.00"},
        {420, "0.42"},
        {999, "0.99"},
        {1000, "1.0"},
        {3149, "3.1"},
        {9999, "9.9"},
        {10000, "10"},
        {15400, "15"},
        {15500, "16"},
        {120000, "120"},
        {INT64_MAX, "9223372036854776"},
    };
    char text[QE_SHOW_TIME_SIZE];
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        CU_ASSERT_STRING_EQUAL(qe_show_ms(rows[i].us, text), rows[i].text);
}

static const struct unit_case cases[] = {
    {"status is the specification's four lines", status_is_the_specification_s_four_lines},
    {"status names what is not as it should be", status_names_what_is_not_as_it_should_be},
    {"status tells of the network and what is claimed there", status_tells_of_the_network_and_what_is_claimed_there},
    {"routes tell who stands by and who is refused", routes_tell_who_stands_by_and_who_is_refused},
    {"answers about the DHT say how much it took", answers_about_the_dht_say_how_much_it_took},
    {"peers have the specification's columns", peers_have_the_specification_s_columns},
    {"short IDs are as long as it takes to tell them apart", short_ids_are_as_long_as_it_takes_to_tell_them_apart},
    {"gateways tell why they are known, and who is reached through them",
        gateways_tell_why_they_are_known_and_who_is_reached_through_them},
    {"relaying tells for whom", relaying_tells_for_whom},
    {"routes have the specification's columns", routes_have_the_specification_s_columns},
    {"other shapes and control characters do no harm", other_shapes_and_control_characters_do_no_harm},
    {"times have about three digits", times_have_about_three_digits},
};
UNIT_MAIN("show", cases)
