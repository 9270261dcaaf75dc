#include "cli/show.h"
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
        "\"warnings\":[\"[multipath] does nothing yet\",\"the disk is full\"]}",
        "Node ID: qea\nTUN Interface: -\nConnected Peers: 0\nActive Paths: 0\nState: starting\n"
        "Warning: [multipath] does nothing yet\nWarning: the disk is full\n");
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
        "{\"node_id\":\"qeghi4562222222222222222222222222a\",\"name\":\"\",\"state\":\"backoff\","
        "\"address\":\"[2001:db8::1]:9000\",\"via\":\"direct\",\"rtt_us\":null,\"retry_in_ms\":3200,"
        "\"last_error\":\"no answer\"},"
        "{\"node_id\":\"qejkl4562222222222222222222222222a\",\"name\":\"\",\"state\":\"waiting\",\"address\":null,"
        "\"via\":\"direct\",\"rtt_us\":null,\"retry_in_ms\":null,\"last_error\":null}]}",
        "NodeID            | Address            | RTT   | Status\n"
        "qexyz78922        | 203.0.113.5:9000   | 15ms  | Connected\n"
        "qedef45622 (home) | 198.51.100.1:9000  | 120ms | Connected (gateway)\n"
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
    {"peers have the specification's columns", peers_have_the_specification_s_columns},
    {"short IDs are as long as it takes to tell them apart", short_ids_are_as_long_as_it_takes_to_tell_them_apart},
    {"routes have the specification's columns", routes_have_the_specification_s_columns},
    {"other shapes and control characters do no harm", other_shapes_and_control_characters_do_no_harm},
    {"times have about three digits", times_have_about_three_digits},
};
UNIT_MAIN("show", cases)
