// Host names looked up by the helper, and the system's resolver set up by it.
#include "errand.h"
#include "namespace.h"
#include "resolve1.h"
#include "scratch.h"
#include "unit.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static struct errand e;

static void begin(void)
{
    scratch_begin();
    errand_begin(&e, "qetest0", "100.64.1.1/16 fd71::1/48");
}

static void end(void)
{
    errand_end(&e);
    scratch_end();
}

// These contents instead of the system's file.
static void replace(const char *file, const char *contents)
{
    const char *base = strrchr(file, '/') + 1;
    scratch_write(base, contents, strlen(contents), 0644);
    CU_ASSERT_TRUE_FATAL(namespace_run("mount --bind %s $(realpath %s)", scratch_path(base), file));
}

static void restore(const char *file)
{
    CU_ASSERT_TRUE(namespace_run("umount $(realpath %s)", file));
}

static bool has(const char *ip)
{
    struct qe_ip wanted;
    CU_ASSERT_TRUE_FATAL(qe_ip_parse(ip, &wanted));
    for (size_t i = 0; i < e.count; i++)
        if (qe_ip_equal(&e.list[i].ip, &wanted)) return true;
    return false;
}

static void a_name_becomes_its_addresses(void)
{
    begin();
    replace("/etc/hosts",
        "127.0.0.1 localhost\n192.0.2.7 bootstrap.test\n192.0.2.8 bootstrap.test\n2001:db8::7 bootstrap.test\n");
    CU_ASSERT_TRUE(errand_text(&e, QE_KERNEL_RESOLVE, "bootstrap.test", NULL));
    CU_ASSERT_EQUAL(e.count, 3);
    CU_ASSERT_TRUE(has("192.0.2.7") && has("192.0.2.8") && has("2001:db8::7"));
    CU_ASSERT_TRUE(errand_text(&e, QE_KERNEL_RESOLVE, "192.0.2.9", NULL));
    CU_ASSERT_TRUE(e.count == 1 && has("192.0.2.9"));
    restore("/etc/hosts");
    end();
}

static void a_name_that_is_not_there_is_told(void)
{
    begin();
    replace("/etc/nsswitch.conf", "hosts: files\n");
    CU_ASSERT_FALSE(errand_text(&e, QE_KERNEL_RESOLVE, "nowhere.test", NULL));
    CU_ASSERT_EQUAL(e.code, QE_RESULT_UNAVAILABLE);
    CU_ASSERT_STRING_EQUAL(e.text, "Name or service not known");
    CU_ASSERT_FALSE(errand_text(&e, QE_KERNEL_RESOLVE, "", NULL));
    CU_ASSERT_FALSE(errand_text(&e, QE_KERNEL_RESOLVE, "-\n;\"%s", NULL));
    restore("/etc/nsswitch.conf");
    end();
}

// A resolver that never answers: there are so many look-ups at a time and no more, and what else is asked is not held
// up by them. Nor is the end.
static void look_ups_that_hang_hold_up_nobody(void)
{
    uint64_t request = 0;
    begin();
    replace("/etc/nsswitch.conf", "hosts: files dns\n");
    replace("/etc/resolv.conf", "nameserver 100.64.77.77\n");
    for (int i = 0; i < 8; i++)
        CU_ASSERT(errand_send(&e, QE_KERNEL_RESOLVE, "slow.test") > 0);
    uint64_t last = errand_send(&e, QE_KERNEL_RESOLVE, "slow.test");
    CU_ASSERT_TRUE(errand_wait(&e, &request));
    CU_ASSERT_EQUAL(request, last);
    CU_ASSERT_EQUAL(e.code, QE_RESULT_REFUSED);
    CU_ASSERT_STRING_EQUAL(e.text, "8 look-ups are under way; later");
    CU_ASSERT_TRUE(errand_prefixes(&e, QE_KERNEL_ROUTES, "10.7.0.0/16", false));
    CU_ASSERT_TRUE(namespace_run("test $(pgrep -c -P %d) = 8", (int)e.kernel.pid));
    pid_t pid = e.kernel.pid;
    errand_end(&e);
    CU_ASSERT_FALSE(namespace_run("pgrep -P %d >/dev/null", (int)pid));
    restore("/etc/resolv.conf");
    restore("/etc/nsswitch.conf");
    scratch_end();
}

static void a_look_up_that_dies_is_answered(void)
{
    uint64_t request = 0;
    begin();
    replace("/etc/nsswitch.conf", "hosts: files dns\n");
    replace("/etc/resolv.conf", "nameserver 100.64.77.77\n");
    uint64_t asked = errand_send(&e, QE_KERNEL_RESOLVE, "slow.test");
    CU_ASSERT_TRUE(namespace_run(
        "for i in $(seq 100); do pkill -ALRM -P %d && exit 0; sleep 0.05; done; exit 1", (int)e.kernel.pid));
    CU_ASSERT_TRUE(errand_wait(&e, &request));
    CU_ASSERT_EQUAL(request, asked);
    CU_ASSERT_STRING_EQUAL(e.text, "no answer in time");
    restore("/etc/resolv.conf");
    restore("/etc/nsswitch.conf");
    end();
}

static void without_a_bus_it_is_told_what_to_do(void)
{
    scratch_begin();
    setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/nonexistent/bus", 1);
    errand_begin(&e, "qetest0", "100.64.1.1/16");
    CU_ASSERT_FALSE(errand_text(&e, QE_KERNEL_DNS, "qe", "100.64.1.1:53"));
    CU_ASSERT_EQUAL(e.code, QE_RESULT_UNAVAILABLE);
    CU_ASSERT_STRING_EQUAL(e.text, "no D-Bus (No such file or directory); have another resolver ask 100.64.1.1:53");
    end();
}

static void stop(pid_t pid)
{
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

static void calls_are(const char *expected)
{
    char calls[2048] = "";
    size_t size = scratch_read("calls", calls, sizeof calls - 1);
    calls[size == (size_t)-1 ? 0 : size] = '\0';
    CU_ASSERT_STRING_EQUAL(calls, expected);
    if (strcmp(calls, expected) != 0) puts(calls);
}

static void the_domain_and_no_other_is_led_to_the_node(void)
{
    char expected[512];
    scratch_begin();
    pid_t bus = resolve1_bus();
    CU_ASSERT_TRUE_FATAL(bus > 0);
    errand_begin(&e, "qetest0", "100.64.1.1/16");
    // Nobody there yet.
    CU_ASSERT_FALSE(errand_text(&e, QE_KERNEL_DNS, "qe", "100.64.1.1:53"));
    CU_ASSERT_EQUAL(e.code, QE_RESULT_UNAVAILABLE);
    CU_ASSERT_PTR_NOT_NULL(strstr(e.text, "systemd-resolved does not run; have another resolver ask"));
    pid_t resolved = resolve1_start(false, false);
    CU_ASSERT_TRUE_FATAL(resolved > 0);
    CU_ASSERT_TRUE(errand_text(&e, QE_KERNEL_DNS, "qe", "100.64.1.1:53"));
    unsigned link = e.tun.index;
    int used = snprintf(expected, sizeof expected,
        "SetLinkDNSEx %u 2 100.64.1.1 53 \"\"\nSetLinkDomains %u qe 1\nSetLinkDefaultRoute %u 0\nSetLinkDNSSEC %u no\n"
        "SetLinkDNSOverTLS %u no\n",
        link, link, link, link, link);
    calls_are(expected);
    // The node itself never asks for what only it can answer.
    CU_ASSERT_FALSE(errand_text(&e, QE_KERNEL_RESOLVE, "home-server.QE.", NULL));
    CU_ASSERT_STRING_EQUAL(e.text, "names in .qe are the node's own");
    CU_ASSERT_TRUE(errand_text(&e, QE_KERNEL_RESOLVE, "localhost", NULL));
    CU_ASSERT_TRUE(errand_text(&e, QE_KERNEL_DNS, "", NULL));
    snprintf(expected + used, sizeof expected - (size_t)used, "RevertLink %u\n", link);
    calls_are(expected);
    // Not twice.
    errand_end(&e);
    calls_are(expected);
    stop(resolved);
    stop(bus);
    scratch_end();
}

static void the_end_reverts_it(void)
{
    char calls[2048] = "";
    scratch_begin();
    pid_t bus = resolve1_bus(), resolved = resolve1_start(false, false);
    CU_ASSERT_TRUE_FATAL(bus > 0 && resolved > 0);
    errand_begin(&e, "qetest0", "100.64.1.1/16 fd71::1/48");
    CU_ASSERT_TRUE(errand_text(&e, QE_KERNEL_DNS, "qe", "[fd71::1]:53"));
    errand_end(&e);
    scratch_read("calls", calls, sizeof calls - 1);
    CU_ASSERT_PTR_NOT_NULL(strstr(calls, " 10 253.113.0.0.0.0.0.0.0.0.0.0.0.0.0.1 53 \"\"\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(calls, "\nRevertLink "));
    stop(resolved);
    stop(bus);
    scratch_end();
}

static void a_refusal_is_told_in_its_own_words(void)
{
    scratch_begin();
    pid_t bus = resolve1_bus(), resolved = resolve1_start(true, false);
    CU_ASSERT_TRUE_FATAL(bus > 0 && resolved > 0);
    errand_begin(&e, "qetest0", "100.64.1.1/16");
    CU_ASSERT_FALSE(errand_text(&e, QE_KERNEL_DNS, "qe", "100.64.1.1:53"));
    CU_ASSERT_EQUAL(e.code, QE_RESULT_REFUSED);
    CU_ASSERT_PTR_NOT_NULL(
        strstr(e.text, "systemd-resolved refuses SetLinkDNSEx: Interactive authentication required.; have "));
    errand_end(&e);
    stop(resolved);
    stop(bus);
    scratch_end();
}

static void one_that_never_answers_is_given_up(void)
{
    scratch_begin();
    pid_t bus = resolve1_bus(), resolved = resolve1_start(false, true);
    CU_ASSERT_TRUE_FATAL(bus > 0 && resolved > 0);
    errand_begin(&e, "qetest0", "100.64.1.1/16");
    CU_ASSERT_FALSE(errand_text(&e, QE_KERNEL_DNS, "qe", "100.64.1.1:53"));
    CU_ASSERT_EQUAL(e.code, QE_RESULT_REFUSED);
    errand_end(&e);
    stop(resolved);
    stop(bus);
    scratch_end();
}

static const struct unit_case cases[] = {
    {"a name becomes its addresses", a_name_becomes_its_addresses},
    {"a name that is not there is told", a_name_that_is_not_there_is_told},
    {"look-ups that hang hold up nobody", look_ups_that_hang_hold_up_nobody},
    {"a look-up that dies is answered", a_look_up_that_dies_is_answered},
    {"without a bus it is told what to do", without_a_bus_it_is_told_what_to_do},
    {"the domain and no other is led to the node", the_domain_and_no_other_is_led_to_the_node},
    {"the end reverts it", the_end_reverts_it},
    {"a refusal is told in its own words", a_refusal_is_told_in_its_own_words},
    {"one that never answers is given up", one_that_never_answers_is_given_up},
};

int main(void)
{
    namespace_enter();
    namespace_mounts();
    if (access("/dev/net/tun", R_OK | W_OK)) {
        printf("skipped: /dev/net/tun: %s\n", strerror(errno));
        return 77;
    }
    return unit_main("kernel_names", cases, sizeof cases / sizeof cases[0]);
}
