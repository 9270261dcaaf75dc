#include "quic_pair.h"

struct net net;
struct net_end *a, *b;
const struct qe_span nothing;

struct qe_span text(const char *s)
{
    return qe_span(s, strlen(s));
}

void pair(uint8_t family)
{
    net_init(&net, unit_random().state);
    a = net_add(&net, "a", family);
    b = net_add(&net, "b", family);
    net_allow(a, b);
    net_allow(b, a);
}

void done(void)
{
    net_fini(&net);
    CU_ASSERT_EQUAL(unit_mem_outstanding(), 0);
}

void run_for(uint64_t ns)
{
    net_run(&net, net.now_ns + ns);
}

void meet(void)
{
    CU_ASSERT_PTR_NOT_NULL_FATAL(net_dial(a, b, &b->host.identity, nothing, nothing));
    run_for(300 * MS);
    CU_ASSERT_PTR_NOT_NULL_FATAL(a->conn);
    CU_ASSERT_PTR_NOT_NULL_FATAL(b->conn);
}

struct qe_span get_ticket(void)
{
    meet();
    run_for(500 * MS);
    CU_ASSERT_FATAL(a->ticket_count >= 1);
    qe_conn_close(a->conn, 7);
    run_for(5 * S);
    a->log[0] = b->log[0] = 0;
    a->is_confirmed = b->is_confirmed = false;
    a->asked = b->asked = 0;
    return qe_span(a->tickets[0], a->ticket_sizes[0]);
}

bool change_source(struct net *n, struct qe_addr *from, struct qe_addr *to, uint8_t *bytes, uint32_t *size)
{
    struct qe_addr outside = {.ip = qe_ip4(192, 0, 2, 1), .port = *(uint16_t *)n->tap_user};
    (void)bytes;
    (void)size;
    // A NAT in front of a.
    if (qe_addr_equal(from, &a->addr)) *from = outside;
    if (to->ip.family == 4 && qe_ip_equal(&to->ip, &outside.ip)) {
        if (to->port != outside.port) return false;
        *to = a->addr;
    }
    return true;
}
