// What the helper does to the kernel's routes, rules and addresses, and that nothing of it stays.
#include "errand.h"
#include "kernel/slot.h"
#include "namespace.h"
#include "unit.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static struct errand e;
static const char before[] = "before", after[] = "after";

// Everything about routing, the addresses included.
static void note(const char *name)
{
    CU_ASSERT_TRUE(
        namespace_run("cd /tmp; (ip rule; ip -6 rule; ip -o route show table all; ip -6 -o route show table all; "
                      "ip -o addr) | grep -v qetest | sort >qetest-routes.%d.%s",
            (int)getpid(), name));
}

static bool nothing_changed(void)
{
    bool same =
        namespace_run("cd /tmp; diff qetest-routes.%d.before qetest-routes.%d.after", (int)getpid(), (int)getpid());
    namespace_run("rm -f /tmp/qetest-routes.%d.*", (int)getpid());
    return same;
}

static void set_up(void)
{
    CU_ASSERT_TRUE_FATAL(
        namespace_run("ip link add lan0 type veth peer name lan1 && sysctl -qw net.ipv6.conf.lan1.disable_ipv6=1 "
                      "&& ip link set lan0 addrgenmode none && ip link set lan1 up && ip link set lan0 up"));
    CU_ASSERT_TRUE_FATAL(
        namespace_run("ip addr add 192.168.7.2/24 dev lan0 && ip addr add fd99::2/64 dev lan0 nodad && "
                      "ip route add default via 192.168.7.1 && ip -6 route add default via fd99::1"));
    // The kernel does some of that later.
    CU_ASSERT_TRUE(
        namespace_run("for i in $(seq 100); do ip -6 route show table local | grep -q 'ff00.* lan0' && "
                      "ip -6 route show table local | grep -q 'local fd99::2' && exit 0; sleep 0.02; done; exit 1"));
    note(before);
    errand_begin(&e, "qetest0", "100.64.1.1/16 fd71::1/48");
}

static void take_down(void)
{
    errand_end(&e);
    note(after);
    CU_ASSERT_TRUE(nothing_changed());
    CU_ASSERT_TRUE(namespace_run("ip link del lan0"));
}

// Which way packets go: those of the tunnel, and all others.
static bool goes(const char *to, const char *device)
{
    return namespace_run("ip route get %s | grep -q ' dev %s '", to, device);
}

static bool tunnel_goes(const char *to, const char *device)
{
    return namespace_run("ip route get %s mark 0x%x | grep -q ' dev %s '", to, QE_MARK, device);
}

static void the_overlay_is_reached_by_all_but_the_tunnel_itself(void)
{
    set_up();
    CU_ASSERT_TRUE(goes("100.64.200.7", "qetest0"));
    CU_ASSERT_TRUE(goes("fd71::7", "qetest0"));
    CU_ASSERT_TRUE(tunnel_goes("100.64.200.7", "lan0"));
    CU_ASSERT_TRUE(tunnel_goes("fd71::7", "lan0"));
    CU_ASSERT_TRUE(namespace_run("ip route get 100.64.200.7 | grep -q ' src 100.64.1.1 '"));
    // All by one table.
    CU_ASSERT_TRUE(namespace_run("! ip route show table main | grep -q qetest0"));
    CU_ASSERT_TRUE(namespace_run("! ip -6 route show table main | grep -q qetest0"));
    CU_ASSERT_STRING_EQUAL(e.logs, "");
    take_down();
}

static void routes_are_what_was_asked_for_last(void)
{
    set_up();
    CU_ASSERT_TRUE(errand_prefixes(&e, QE_KERNEL_ROUTES, "10.7.0.0/16 fd77::/32 10.7.0.0/16 192.0.2.1/32", false));
    CU_ASSERT_TRUE(goes("10.7.1.2", "qetest0") && goes("fd77::5", "qetest0") && goes("192.0.2.1", "qetest0"));
    CU_ASSERT_TRUE(goes("10.8.1.2", "lan0") && goes("192.0.2.2", "lan0") && goes("8.8.8.8", "lan0"));
    CU_ASSERT_TRUE(tunnel_goes("10.7.1.2", "lan0") && tunnel_goes("fd77::5", "lan0"));
    CU_ASSERT_TRUE(errand_prefixes(&e, QE_KERNEL_ROUTES, "10.8.0.0/16 192.0.2.1/32", false));
    CU_ASSERT_TRUE(goes("10.8.1.2", "qetest0") && goes("192.0.2.1", "qetest0"));
    CU_ASSERT_TRUE(goes("10.7.1.2", "lan0") && goes("fd77::5", "lan0"));
    CU_ASSERT_TRUE(errand_prefixes(&e, QE_KERNEL_ROUTES, "", false));
    CU_ASSERT_TRUE(goes("10.8.1.2", "lan0") && goes("192.0.2.1", "lan0"));
    CU_ASSERT_TRUE(goes("100.64.200.7", "qetest0"));
    // A peer's network that is the overlay's own, and goes again.
    CU_ASSERT_TRUE(errand_prefixes(&e, QE_KERNEL_ROUTES, "100.64.0.0/16", false));
    CU_ASSERT_TRUE(errand_prefixes(&e, QE_KERNEL_ROUTES, "", false));
    CU_ASSERT_TRUE(goes("100.64.200.7", "qetest0"));
    take_down();
}

static void a_default_route_takes_neither_the_tunnel_nor_what_is_known_better(void)
{
    set_up();
    CU_ASSERT_TRUE(errand_prefixes(&e, QE_KERNEL_ROUTES, "0.0.0.0/0 ::/0 10.7.0.0/16", false));
    CU_ASSERT_TRUE(goes("8.8.8.8", "qetest0") && goes("2001:db8::1", "qetest0") && goes("10.7.1.2", "qetest0"));
    CU_ASSERT_TRUE(goes("192.168.7.9", "lan0") && goes("fd99::9", "lan0"));
    CU_ASSERT_TRUE(tunnel_goes("8.8.8.8", "lan0") && tunnel_goes("2001:db8::1", "lan0"));
    CU_ASSERT_TRUE(errand_prefixes(&e, QE_KERNEL_ROUTES, "10.7.0.0/16", false));
    CU_ASSERT_TRUE(goes("8.8.8.8", "lan0") && goes("2001:db8::1", "lan0") && goes("10.7.1.2", "qetest0"));
    take_down();
}

static void many_routes_are_set_and_removed(void)
{
    static char many[20000];
    size_t used = 0;
    set_up();
    for (int i = 0; i < 100; i++)
        used += (size_t)snprintf(many + used, sizeof many - used, "10.%d.0.0/17 ", i);
    CU_ASSERT_TRUE(errand_prefixes(&e, QE_KERNEL_ROUTES, many, false));
    CU_ASSERT_TRUE(namespace_run("test $(ip route show table %u | wc -l) = 101", qe_slot_table(qe_slot("qetest0"))));
    take_down();
}

static void addresses_are_replaced(void)
{
    set_up();
    CU_ASSERT_TRUE(errand_prefixes(&e, QE_KERNEL_ROUTES, "10.7.0.0/16 fd77::/32", false));
    CU_ASSERT_TRUE(errand_prefixes(&e, QE_KERNEL_ADDRESSES, "100.64.2.2/16 fd71::1/48", false));
    CU_ASSERT_TRUE(goes("10.7.1.2", "qetest0") && goes("fd77::5", "qetest0"));
    CU_ASSERT_TRUE(namespace_run("ip -o -4 addr show dev qetest0 | grep -q ' 100.64.2.2/16 '"));
    CU_ASSERT_TRUE(namespace_run("! ip -o -4 addr show dev qetest0 | grep -q ' 100.64.1.1/16 '"));
    CU_ASSERT_TRUE(namespace_run("ip -o -6 addr show dev qetest0 | grep -q ' fd71::1/48 '"));
    CU_ASSERT_TRUE(namespace_run("ip route get 100.64.200.7 | grep -q ' dev qetest0 .*src 100.64.2.2 '"));
    CU_ASSERT_TRUE(tunnel_goes("100.64.200.7", "lan0"));
    CU_ASSERT_TRUE(goes("fd71::7", "qetest0") && tunnel_goes("fd71::7", "lan0"));
    // Another range: the old one is not the overlay's any more.
    CU_ASSERT_TRUE(errand_prefixes(&e, QE_KERNEL_ADDRESSES, "100.99.2.2/16 fd71::1/48", false));
    CU_ASSERT_TRUE(goes("100.99.200.7", "qetest0") && goes("100.64.200.7", "lan0"));
    CU_ASSERT_TRUE(goes("10.7.1.2", "qetest0") && goes("fd77::5", "qetest0"));
    CU_ASSERT_TRUE(namespace_run("! ip route show table main | grep -q qetest0"));
    take_down();
}

// A daemon and its helper that are both killed; the TUN goes with the daemon.
static void crash(const char *tun_name)
{
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        errand_begin(&e, tun_name, "100.64.1.1/16 fd71::1/48");
        errand_prefixes(&e, QE_KERNEL_ROUTES, "10.7.0.0/16 0.0.0.0/0", false);
        kill(e.kernel.pid, SIGKILL);
        waitpid(e.kernel.pid, NULL, 0);
        _exit(0);
    }
    waitpid(pid, NULL, 0);
}

static unsigned count_rules(void)
{
    FILE *f = popen("PATH=$PATH:/sbin:/usr/sbin; (ip rule; ip -6 rule) | grep -c 'fwmark 0x71650000'", "r");
    unsigned count = 0;
    if (f && fscanf(f, "%u", &count) != 1) count = 1000;
    if (f) pclose(f);
    return count;
}

static void what_a_crash_left_is_removed_at_the_next_start(void)
{
    crash("qetest0");
    CU_ASSERT_EQUAL(count_rules(), 4);
    set_up();
    CU_ASSERT_EQUAL(count_rules(), 2);
    crash("qetest7");
    CU_ASSERT_EQUAL(count_rules(), 6);
    // Now by one with another name; and those of the one that runs stay.
    struct errand other;
    errand_begin(&other, "qetest1", "100.70.1.1/16");
    CU_ASSERT_EQUAL(count_rules(), 4);
    CU_ASSERT_TRUE(goes("100.64.200.7", "qetest0") && goes("100.70.200.7", "qetest1"));
    errand_end(&other);
    CU_ASSERT_EQUAL(count_rules(), 2);
    errand_end(&e);
    CU_ASSERT_EQUAL(count_rules(), 0);
    CU_ASSERT_TRUE(namespace_run("ip link del lan0; rm -f /tmp/qetest-routes.%d.*", (int)getpid()));
}

static void a_daemon_that_is_killed_leaves_nothing(void)
{
    set_up();
    CU_ASSERT_TRUE(errand_prefixes(&e, QE_KERNEL_ROUTES, "10.7.0.0/16 fd77::/32", false));
    // As the kernel does it for a killed process.
    close(e.kernel.fd);
    CU_ASSERT_EQUAL(waitpid(e.kernel.pid, NULL, 0), e.kernel.pid);
    qe_tun_close(&e.tun, NULL);
    free(e.kernel.message);
    note(after);
    CU_ASSERT_TRUE(nothing_changed());
    CU_ASSERT_TRUE(namespace_run("ip link del lan0"));
}

// The daemon is started again at once, and the old one's helper is slow.
static void a_start_waits_for_the_undoing_before_it(void)
{
    set_up();
    struct errand old = e;
    CU_ASSERT_TRUE(errand_prefixes(&old, QE_KERNEL_ROUTES, "10.7.0.0/16", false));
    kill(old.kernel.pid, SIGSTOP);
    close(old.kernel.fd);
    qe_tun_close(&old.tun, NULL);
    fflush(NULL);
    pid_t waker = fork();
    if (waker == 0) {
        usleep(300000);
        _exit(kill(old.kernel.pid, SIGCONT) != 0);
    }
    errand_begin(&e, "qetest0", "100.64.1.1/16 fd71::1/48");
    CU_ASSERT_EQUAL(waitpid(old.kernel.pid, NULL, 0), old.kernel.pid);
    waitpid(waker, NULL, 0);
    free(old.kernel.message);
    CU_ASSERT_TRUE(errand_prefixes(&e, QE_KERNEL_ROUTES, "10.8.0.0/16", false));
    CU_ASSERT_EQUAL(count_rules(), 2);
    CU_ASSERT_TRUE(goes("10.8.1.2", "qetest0") && goes("100.64.200.7", "qetest0") && goes("10.7.1.2", "lan0"));
    CU_ASSERT_STRING_EQUAL(e.logs, "");
    take_down();
}

static void what_others_made_stays(void)
{
    CU_ASSERT_TRUE(namespace_run("ip rule add pref 20001 fwmark 7 lookup 71650000 && "
                                 "ip rule add pref 19999 fwmark 7 lookup 123 protocol 81"));
    set_up();
    take_down();
    CU_ASSERT_TRUE(namespace_run("ip rule del pref 20001 && ip rule del pref 19999"));
}

static void strict_reverse_path_filtering_is_named_once(void)
{
    set_up();
    CU_ASSERT_TRUE(namespace_run("sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.lan0.rp_filter=1"));
    CU_ASSERT_TRUE(errand_prefixes(&e, QE_KERNEL_ROUTES, "10.7.0.0/16", false));
    CU_ASSERT_TRUE(errand_prefixes(&e, QE_KERNEL_ROUTES, "10.8.0.0/16", false));
    CU_ASSERT_TRUE(errand_prefixes(&e, QE_KERNEL_ROUTES, "", false));
    const char *said = strstr(e.logs, "sysctl -w net.ipv4.conf.lan0.rp_filter=2");
    CU_ASSERT_PTR_NOT_NULL_FATAL(said);
    CU_ASSERT_PTR_NULL(strstr(said + 1, "sysctl -w"));
    take_down();
}

static void a_socket_that_needs_a_right_comes_from_the_helper(void)
{
    set_up();
    uint32_t mark = 0;
    socklen_t size = sizeof mark;
    CU_ASSERT_TRUE(errand_socket(&e, "100.64.1.1:53", false));
    CU_ASSERT_TRUE_FATAL(e.fd >= 0);
    CU_ASSERT_EQUAL(getsockopt(e.fd, SOL_SOCKET, SO_MARK, &mark, &size), 0);
    CU_ASSERT_EQUAL(mark, 0);
    // There is one already; and there is no such address.
    int first = e.fd;
    CU_ASSERT_FALSE(errand_socket(&e, "100.64.1.1:53", false));
    CU_ASSERT_EQUAL(e.code, QE_RESULT_REFUSED);
    CU_ASSERT_STRING_EQUAL(e.text, strerror(EADDRINUSE));
    CU_ASSERT_FALSE(errand_socket(&e, "100.64.9.9:53", false));
    CU_ASSERT_EQUAL(e.code, QE_RESULT_UNAVAILABLE);
    close(first);
    CU_ASSERT_TRUE(errand_socket(&e, "0.0.0.0:9000", true));
    CU_ASSERT_EQUAL(getsockopt(e.fd, SOL_SOCKET, SO_MARK, &mark, &size), 0);
    CU_ASSERT_EQUAL(mark, QE_MARK);
    close(e.fd);
    take_down();
}

static void nonsense_from_the_daemon_is_passed_over(void)
{
    static struct qe_kernel_message m;
    set_up();
    int fd = e.kernel.fd;
    CU_ASSERT_EQUAL(send(fd, "?", 1, 0), 1);
    CU_ASSERT(send(fd, &m, sizeof m, 0) > 0);
    memset(&m, 0xff, sizeof m);
    CU_ASSERT(send(fd, &m, sizeof m, 0) > 0);
    CU_ASSERT(send(fd, &m, qe_kernel_size(0), 0) > 0);
    memset(&m, 0, sizeof m);
    m.kind = QE_KERNEL_ROUTES;
    m.count = 1;
    m.list[0] = (struct qe_cidr){{.family = 4}, 33};
    CU_ASSERT(send(fd, &m, qe_kernel_size(1), 0) > 0);
    // Another TUN than its own: the machine's network.
    m = (struct qe_kernel_message){.kind = QE_KERNEL_TUN, .number = 1, .text = "lo"};
    CU_ASSERT(send(fd, &m, qe_kernel_size(0), 0) > 0);
    CU_ASSERT_TRUE(errand_prefixes(&e, QE_KERNEL_ROUTES, "10.7.0.0/16", false));
    CU_ASSERT_TRUE(goes("10.7.1.2", "qetest0"));
    take_down();
}

static void without_a_tun_nothing_is_done(void)
{
    struct qe_fault fault;
    uint64_t request = 0;
    memset(&e, 0, sizeof e);
    CU_ASSERT_EQUAL_FATAL(qe_kernel_start(&e.kernel, "", &fault), 0);
    CU_ASSERT_EQUAL(errand_send(&e, QE_KERNEL_ROUTES, ""), 1);
    CU_ASSERT_TRUE(errand_wait(&e, &request));
    CU_ASSERT_EQUAL(request, 1);
    CU_ASSERT_EQUAL(e.code, QE_RESULT_UNAVAILABLE);
    pid_t pid = e.kernel.pid;
    qe_kernel_stop(&e.kernel);
    CU_ASSERT_EQUAL(waitpid(pid, NULL, 0), pid);
}

static void its_rights_are_two(void)
{
    set_up();
    char path[64], line[128];
    bool two = false, no_new = false;
    snprintf(path, sizeof path, "/proc/%d/status", (int)e.kernel.pid);
    FILE *f = fopen(path, "r");
    while (f && fgets(line, sizeof line, f)) {
        // CAP_NET_BIND_SERVICE (10) and CAP_NET_ADMIN (12).
        two = two || strcmp(line, "CapPrm:\t0000000000001400\n") == 0;
        no_new = no_new || strcmp(line, "NoNewPrivs:\t1\n") == 0;
    }
    if (f) fclose(f);
    CU_ASSERT_TRUE(two && no_new);
    // What ends the daemon does not end it before its work is done.
    kill(e.kernel.pid, SIGTERM);
    kill(e.kernel.pid, SIGINT);
    CU_ASSERT_TRUE(errand_prefixes(&e, QE_KERNEL_ROUTES, "10.7.0.0/16", false));
    take_down();
}

static const struct unit_case cases[] = {
    {"the overlay is reached by all but the tunnel itself", the_overlay_is_reached_by_all_but_the_tunnel_itself},
    {"routes are what was asked for last", routes_are_what_was_asked_for_last},
    {"a default route takes neither the tunnel nor what is known better",
        a_default_route_takes_neither_the_tunnel_nor_what_is_known_better},
    {"many routes are set and removed", many_routes_are_set_and_removed},
    {"addresses are replaced", addresses_are_replaced},
    {"what a crash left is removed at the next start", what_a_crash_left_is_removed_at_the_next_start},
    {"a daemon that is killed leaves nothing", a_daemon_that_is_killed_leaves_nothing},
    {"a start waits for the undoing before it", a_start_waits_for_the_undoing_before_it},
    {"what others made stays", what_others_made_stays},
    {"strict reverse path filtering is named once", strict_reverse_path_filtering_is_named_once},
    {"a socket that needs a right comes from the helper", a_socket_that_needs_a_right_comes_from_the_helper},
    {"nonsense from the daemon is passed over", nonsense_from_the_daemon_is_passed_over},
    {"without a TUN nothing is done", without_a_tun_nothing_is_done},
    {"its rights are two", its_rights_are_two},
};

int main(void)
{
    namespace_enter();
    if (access("/dev/net/tun", R_OK | W_OK)) {
        printf("skipped: /dev/net/tun: %s\n", strerror(errno));
        return 77;
    }
    return unit_main("kernel_routes", cases, sizeof cases / sizeof cases[0]);
}
