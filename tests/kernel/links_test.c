// The table of interfaces follows the kernel's.
#include "links.h"
#include "namespace.h"
#include "unit.h"

#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static struct qe_links *links;
static char seen[4096];

// What changed, as text: "name up 10.0.0.1/24,…;" in the order of the table.
static const char *changes(void)
{
    struct qe_link_event event;
    seen[0] = '\0';
    qe_links_ready(links);
    while (qe_links_next(links, &event)) {
        size_t used = strlen(seen);
        used += (size_t)snprintf(seen + used, sizeof seen - used, "%s %s", event.name, event.up ? "up" : "down");
        for (size_t i = 0; i < event.address_count; i++) {
            char text[QE_ADDR_TEXT_SIZE];
            // Link-local addresses are made by the kernel when it likes.
            if (qe_ip_is_link_local(&event.addresses[i].ip)) continue;
            used += (size_t)snprintf(seen + used, sizeof seen - used, " %s", qe_cidr_format(&event.addresses[i], text));
        }
        snprintf(seen + used, sizeof seen - used, ";");
    }
    return seen;
}

// Whether a change with that text comes within a moment. The kernel tells of carriers when it gets to it, so others may
// come before.
static bool told(const char *text)
{
    for (int i = 0; i < 500; i++, usleep(10000))
        if (strstr(changes(), text)) return true;
    printf("not told: %s\n", text);
    return false;
}

// What is still on its way is none of the next check's.
static void settle(void)
{
    usleep(300000);
    changes();
}

static void open_links(void)
{
    struct qe_fault fault;
    links = qe_links_open(&fault);
    CU_ASSERT_PTR_NOT_NULL_FATAL(links);
}

static void what_is_there_at_the_start_is_told(void)
{
    open_links();
    CU_ASSERT_STRING_EQUAL(changes(), "lo up 127.0.0.1/8 ::1/128;");
    CU_ASSERT_STRING_EQUAL(changes(), "");
    qe_links_close(links);
}

static void interfaces_come_change_and_go(void)
{
    CU_ASSERT_TRUE_FATAL(namespace_run("ip link add va type veth peer name vb && ip link set vb up"));
    open_links();
    changes();
    CU_ASSERT_TRUE(namespace_run("ip link set va addrgenmode none && ip link set vb addrgenmode none"));
    changes();
    CU_ASSERT_TRUE(namespace_run("ip link set va up"));
    CU_ASSERT_TRUE(told("va up;"));
    CU_ASSERT_TRUE(namespace_run("ip addr add 10.0.0.1/24 dev va && ip addr add 2001:db8::1/64 dev va nodad"));
    CU_ASSERT_TRUE(told("va up 10.0.0.1/24 2001:db8::1/64;"));
    // The same again is no change.
    settle();
    CU_ASSERT_TRUE(namespace_run("ip addr change 2001:db8::1/64 dev va nodad valid_lft 1000 preferred_lft 1000"));
    CU_ASSERT_STRING_EQUAL(changes(), "");
    CU_ASSERT_TRUE(namespace_run("ip addr del 10.0.0.1/24 dev va"));
    CU_ASSERT_TRUE(told("va up 2001:db8::1/64;"));
    CU_ASSERT_TRUE(namespace_run("ip link set vb down"));
    CU_ASSERT_TRUE(told("va down"));
    CU_ASSERT_TRUE(namespace_run("ip link del va"));
    CU_ASSERT_TRUE(told("va down;"));
    settle();
    CU_ASSERT_PTR_NULL(strstr(seen, "va "));
    qe_links_close(links);
}

static void our_own_tun_is_not_told(void)
{
    open_links();
    changes();
    CU_ASSERT_TRUE_FATAL(namespace_run("ip link add va type veth peer name vb"));
    qe_links_ignore(links, if_nametoindex("va"));
    usleep(100000);
    CU_ASSERT_STRING_EQUAL(changes(), "vb down;");
    CU_ASSERT_TRUE(namespace_run("ip link del va"));
    qe_links_close(links);
}

// Far more than the socket's buffer holds, while nobody reads: the kernel drops messages and says so.
static void what_was_missed_is_asked_for_again(void)
{
    open_links();
    changes();
    CU_ASSERT_TRUE_FATAL(namespace_run("ip link add va type veth peer name vb && ip link set va addrgenmode none up"));
    CU_ASSERT_TRUE(namespace_run("for i in $(seq 1 2000); do echo addr add 10.1.0.1/24 dev va;"
                                 " echo addr del 10.1.0.1/24 dev va; done | ip -batch -"));
    CU_ASSERT_TRUE(namespace_run("ip addr add 10.2.0.1/24 dev va && ip link set vb up"));
    CU_ASSERT_TRUE(told("va up 10.2.0.1/24;"));
    CU_ASSERT_PTR_NULL(strstr(seen, "10.1.0.1"));
    CU_ASSERT_TRUE(namespace_run("ip link del va"));
    changes();
    qe_links_close(links);
}

static void more_than_fits_is_counted(void)
{
    CU_ASSERT_TRUE_FATAL(namespace_run("ip link add va type veth peer name vb && ip link set va addrgenmode none"));
    CU_ASSERT_TRUE(namespace_run("for i in $(seq 1 50); do echo addr add 10.1.$i.1/24 dev va; done | ip -batch -"));
    open_links();
    CU_ASSERT_EQUAL(links->dropped, 50 - QE_LINK_ADDRESSES_MAX);
    CU_ASSERT_TRUE(namespace_run("ip link del va"));
    qe_links_close(links);
}

static const struct unit_case cases[] = {
    {"what is there at the start is told", what_is_there_at_the_start_is_told},
    {"interfaces come, change and go", interfaces_come_change_and_go},
    {"our own TUN is not told", our_own_tun_is_not_told},
    {"what was missed is asked for again", what_was_missed_is_asked_for_again},
    {"more than fits is counted", more_than_fits_is_counted},
};

int main(void)
{
    namespace_enter();
    return unit_main("kernel_links", cases, sizeof cases / sizeof cases[0]);
}
