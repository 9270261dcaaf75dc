// Forwarding: what the helper changes for it, that it changes nothing else, and that all of it is put back.
#include "errand.h"
#include "kernel/slot.h"
#include "namespace.h"
#include "unit.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static struct errand e;

static bool setting(const char *name, int value)
{
    return namespace_run("test \"$(cat /proc/sys/net/%s)\" = %d", name, value);
}

static void forward_is(int v4, int v6)
{
    CU_ASSERT_TRUE(namespace_run("sysctl -qw net.ipv4.ip_forward=%d net.ipv6.conf.all.forwarding=%d", v4, v6));
}

static bool has_table(const char *tun_name)
{
    return namespace_run("nft list table inet " QE_NFT_PREFIX "%u >/dev/null 2>&1", qe_slot(tun_name));
}

static bool table_says(const char *text)
{
    return namespace_run("nft list table inet " QE_NFT_PREFIX "%u | grep -q '%s'", qe_slot("qetest0"), text);
}

static void begin(void)
{
    errand_begin(&e, "qetest0", "100.64.1.1/16 fd71::1/48");
}

static void it_is_switched_on_and_off(void)
{
    forward_is(0, 0);
    begin();
    CU_ASSERT_TRUE(errand_prefixes(&e, QE_KERNEL_FORWARD, "10.7.0.0/16", true));
    CU_ASSERT_TRUE(setting("ipv4/ip_forward", 1) && setting("ipv6/conf/all/forwarding", 0));
    CU_ASSERT_TRUE(table_says("ip daddr 10.7.0.0/16 masquerade") && table_says("ip daddr != 10.7.0.0/16 drop"));
    CU_ASSERT_TRUE(errand_prefixes(&e, QE_KERNEL_FORWARD, "10.7.0.0/16 10.9.0.0/24 fd77::/32", true));
    CU_ASSERT_TRUE(setting("ipv4/ip_forward", 1) && setting("ipv6/conf/all/forwarding", 1));
    CU_ASSERT_TRUE(table_says("ip daddr { 10.7.0.0/16, 10.9.0.0/24 } masquerade"));
    CU_ASSERT_TRUE(table_says("ip6 daddr fd77::/32 masquerade"));
    CU_ASSERT_TRUE(errand_prefixes(&e, QE_KERNEL_FORWARD, "10.7.0.0/16", false));
    CU_ASSERT_TRUE(has_table("qetest0") && !table_says("masquerade"));
    CU_ASSERT_TRUE(errand_prefixes(&e, QE_KERNEL_FORWARD, "", false));
    CU_ASSERT_FALSE(has_table("qetest0"));
    CU_ASSERT_TRUE(setting("ipv4/ip_forward", 0) && setting("ipv6/conf/all/forwarding", 0));
    errand_end(&e);
}

static void the_end_puts_it_back(void)
{
    forward_is(0, 0);
    begin();
    CU_ASSERT_TRUE(errand_prefixes(&e, QE_KERNEL_FORWARD, "10.7.0.0/16 fd77::/32", true));
    errand_end(&e);
    CU_ASSERT_FALSE(has_table("qetest0"));
    CU_ASSERT_TRUE(setting("ipv4/ip_forward", 0) && setting("ipv6/conf/all/forwarding", 0));
}

static void what_was_on_before_stays_on(void)
{
    forward_is(1, 0);
    begin();
    CU_ASSERT_TRUE(errand_prefixes(&e, QE_KERNEL_FORWARD, "10.7.0.0/16 fd77::/32", true));
    // A router for others already: what it forwarded before, it still does.
    CU_ASSERT_FALSE(table_says("nfproto ipv4 iif != .* oif != .* drop"));
    CU_ASSERT_TRUE(table_says("nfproto ipv6 iif != .* oif != .* drop"));
    errand_end(&e);
    CU_ASSERT_TRUE(setting("ipv4/ip_forward", 1) && setting("ipv6/conf/all/forwarding", 0));
}

static void what_somebody_changed_since_stays_changed(void)
{
    forward_is(0, 0);
    begin();
    CU_ASSERT_TRUE(errand_prefixes(&e, QE_KERNEL_FORWARD, "fd77::/32", true));
    CU_ASSERT_TRUE(namespace_run("sysctl -qw net.ipv6.conf.all.forwarding=2"));
    errand_end(&e);
    CU_ASSERT_TRUE(setting("ipv6/conf/all/forwarding", 2));
}

static void a_host_that_takes_router_advertisements_still_does(void)
{
    forward_is(0, 0);
    CU_ASSERT_TRUE_FATAL(namespace_run("ip link add lan0 type veth peer name lan1 && ip link set lan0 up && "
                                       "sysctl -qw net.ipv6.conf.lan0.accept_ra=1 net.ipv6.conf.lan1.accept_ra=0"));
    begin();
    CU_ASSERT_TRUE(errand_prefixes(&e, QE_KERNEL_FORWARD, "fd77::/32", true));
    CU_ASSERT_TRUE(setting("ipv6/conf/lan0/accept_ra", 2) && setting("ipv6/conf/lan1/accept_ra", 0));
    errand_end(&e);
    CU_ASSERT_TRUE(setting("ipv6/conf/lan0/accept_ra", 1) && setting("ipv6/conf/lan1/accept_ra", 0));
    CU_ASSERT_TRUE(setting("ipv6/conf/all/forwarding", 0));
    CU_ASSERT_TRUE(namespace_run("ip link del lan0"));
}

static void crash(const char *tun_name)
{
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        errand_begin(&e, tun_name, "100.64.1.1/16 fd71::1/48");
        errand_prefixes(&e, QE_KERNEL_FORWARD, "10.7.0.0/16", true);
        kill(e.kernel.pid, SIGKILL);
        waitpid(e.kernel.pid, NULL, 0);
        _exit(0);
    }
    waitpid(pid, NULL, 0);
}

static void what_a_crash_left_is_undone_at_the_next_start(void)
{
    static const char *const names[] = {"qetest0", "qetest7"};
    for (size_t i = 0; i < 2; i++) {
        forward_is(0, 0);
        crash(names[i]);
        CU_ASSERT_TRUE(has_table(names[i]) && setting("ipv4/ip_forward", 1));
        begin();
        CU_ASSERT_FALSE(has_table(names[i]));
        CU_ASSERT_TRUE(setting("ipv4/ip_forward", 0));
        errand_end(&e);
    }
}

static void the_last_of_several_nodes_puts_it_back(void)
{
    struct errand other;
    forward_is(0, 0);
    begin();
    errand_begin(&other, "qetest1", "100.70.1.1/16");
    CU_ASSERT_TRUE(errand_prefixes(&e, QE_KERNEL_FORWARD, "10.7.0.0/16", true));
    CU_ASSERT_TRUE(errand_prefixes(&other, QE_KERNEL_FORWARD, "10.8.0.0/16", true));
    errand_end(&e);
    CU_ASSERT_TRUE(setting("ipv4/ip_forward", 1) && has_table("qetest1") && !has_table("qetest0"));
    errand_end(&other);
    CU_ASSERT_TRUE(setting("ipv4/ip_forward", 0) && !has_table("qetest1"));
}

static void tables_of_others_stay(void)
{
    CU_ASSERT_TRUE(
        namespace_run("nft 'table inet quicether {}; table inet quicether-mine {}; table ip quicether-5 {}'"));
    begin();
    CU_ASSERT_TRUE(errand_prefixes(&e, QE_KERNEL_FORWARD, "10.7.0.0/16", true));
    errand_end(&e);
    CU_ASSERT_TRUE(namespace_run("nft delete table inet quicether && nft delete table inet quicether-mine && "
                                 "nft delete table ip quicether-5"));
}

static void a_setting_that_cannot_be_written_is_named(void)
{
    forward_is(0, 0);
    begin();
    // As in most containers; the helper has the same mounts.
    CU_ASSERT_TRUE(namespace_run("mount -o bind,ro /proc/sys /proc/sys"));
    CU_ASSERT_FALSE(errand_prefixes(&e, QE_KERNEL_FORWARD, "10.7.0.0/16", true));
    CU_ASSERT_EQUAL(e.code, QE_RESULT_REFUSED);
    CU_ASSERT_STRING_EQUAL(e.text, "cannot set net/ipv4/ip_forward to 1: Read-only file system");
    CU_ASSERT_FALSE(has_table("qetest0"));
    CU_ASSERT_TRUE(namespace_run("umount /proc/sys"));
    errand_end(&e);
}

static const struct unit_case cases[] = {
    {"it is switched on and off", it_is_switched_on_and_off},
    {"the end puts it back", the_end_puts_it_back},
    {"what was on before stays on", what_was_on_before_stays_on},
    {"what somebody changed since stays changed", what_somebody_changed_since_stays_changed},
    {"a host that takes router advertisements still does", a_host_that_takes_router_advertisements_still_does},
    {"what a crash left is undone at the next start", what_a_crash_left_is_undone_at_the_next_start},
    {"the last of several nodes puts it back", the_last_of_several_nodes_puts_it_back},
    {"tables of others stay", tables_of_others_stay},
    {"a setting that cannot be written is named", a_setting_that_cannot_be_written_is_named},
};

int main(void)
{
    namespace_enter();
    namespace_mounts();
    if (access("/dev/net/tun", R_OK | W_OK)) {
        printf("skipped: /dev/net/tun: %s\n", strerror(errno));
        return 77;
    }
    if (!namespace_run("nft list tables >/dev/null 2>&1")) {
        puts("skipped: no nftables in the kernel, or no nft command");
        return 77;
    }
    return unit_main("kernel_forward", cases, sizeof cases / sizeof cases[0]);
}
