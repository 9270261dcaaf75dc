#include "world/probes.h"

#include "base/bytes.h"
#include "base/table.h"
#include "engine/memory.h"

#include <string.h>

#define ADDRESS_KEY   19
#define HOST_KEY      17
#define ADDRESSES_MAX (1 << 20)
#define SECOND_NS     UINT64_C(1000000000)
// Numbers asked of an address that are remembered; an echo of an older one proves nothing here.
#define ASKS 320

// When the last so many were sent: one more is too many while the oldest of them is younger than the window.
struct recent {
    uint64_t *sent_ns;
    size_t capacity, count;
};

struct address {
    struct recent sent;
    uint64_t asks[ASKS];
    size_t asked;
    bool proven;
};

struct host {
    struct recent second, window;
};

struct sim_probes {
    struct qe_table *addresses, *hosts;
    uint64_t search_until_ns;
    unsigned search_sent; // beyond what an address may have
};

struct sim_probes *sim_probes_new(void)
{
    static const uint8_t secret[16];
    struct sim_probes *p = sim_obtain(1, sizeof(*p));
    p->addresses = qe_table_new(sim_own_memory(), ADDRESS_KEY, ADDRESSES_MAX, secret);
    p->hosts = qe_table_new(sim_own_memory(), HOST_KEY, ADDRESSES_MAX, secret);
    return p;
}

void sim_probes_free(struct sim_probes *p)
{
    size_t cursor = 0;
    struct address *address;
    struct host *host;
    if (!p) return;
    while ((address = qe_table_each(p->addresses, &cursor))) {
        sim_release(address->sent.sent_ns);
        sim_release(address);
    }
    cursor = 0;
    while ((host = qe_table_each(p->hosts, &cursor))) {
        sim_release(host->second.sent_ns);
        sim_release(host->window.sent_ns);
        sim_release(host);
    }
    qe_table_free(p->addresses);
    qe_table_free(p->hosts);
    sim_release(p);
}

static void host_key(const struct qe_ip *ip, uint8_t key[HOST_KEY])
{
    key[0] = ip->family;
    memcpy(key + 1, ip->bytes, 16);
}

static void address_key(const struct qe_addr *addr, uint8_t key[ADDRESS_KEY])
{
    host_key(&addr->ip, key);
    qe_store16(key + HOST_KEY, addr->port);
}

static void *entry(struct qe_table *table, const uint8_t *key, size_t size)
{
    void *found = qe_table_get(table, key);
    if (found) return found;
    found = sim_obtain(1, size);
    if (qe_table_put(table, key, found) == 0) return found;
    sim_release(found);
    return NULL;
}

// False where there were as many within the window as there may be.
static bool note(struct recent *r, size_t max, uint64_t window_ns, uint64_t now_ns)
{
    if (!r->sent_ns) r->sent_ns = sim_obtain(r->capacity = max, sizeof(*r->sent_ns));
    uint64_t *oldest = &r->sent_ns[r->count % r->capacity];
    bool fine = r->count < r->capacity || now_ns - *oldest >= window_ns;
    *oldest = now_ns;
    r->count++;
    return fine;
}

enum sim_probes_fault sim_probes_sent(struct sim_probes *p, const struct qe_addr *to, uint64_t ask, uint64_t now_ns)
{
    uint8_t key[ADDRESS_KEY];
    address_key(to, key);
    struct address *address = entry(p->addresses, key, sizeof(*address));
    struct host *host = entry(p->hosts, key, sizeof(*host));
    if (!address || !host) return SIM_PROBES_HOST;
    if (ask) address->asks[address->asked++ % ASKS] = ask;
    if (address->proven) return SIM_PROBES_FINE;
    bool searching = now_ns < p->search_until_ns && p->search_sent < SIM_PROBES_SOCKETS;
    if (!note(&address->sent, SIM_PROBES_MAX, SIM_PROBES_WINDOW_NS, now_ns)) {
        if (!searching) return SIM_PROBES_ADDRESS;
        p->search_sent++;
    }
    bool slow = note(&host->second, SIM_PROBES_RATE, SECOND_NS, now_ns);
    bool few = note(&host->window, SIM_PROBES_SEARCH, SIM_PROBES_WINDOW_NS, now_ns);
    return slow && few ? SIM_PROBES_FINE : SIM_PROBES_HOST;
}

void sim_probes_searching(struct sim_probes *p, uint64_t now_ns)
{
    p->search_until_ns = now_ns + SIM_PROBES_SEARCH_NS;
    p->search_sent = 0;
}

void sim_probes_received(struct sim_probes *p, const struct qe_addr *from, uint64_t echo)
{
    uint8_t key[ADDRESS_KEY];
    address_key(from, key);
    struct address *address = qe_table_get(p->addresses, key);
    for (size_t i = 0; address && echo && i < ASKS; i++)
        if (address->asks[i] == echo) address->proven = true;
}

void sim_probes_restarted(struct sim_probes *p)
{
    size_t cursor = 0;
    struct address *address;
    struct host *host;
    while ((address = qe_table_each(p->addresses, &cursor)))
        address->sent.count = 0;
    cursor = 0;
    while ((host = qe_table_each(p->hosts, &cursor)))
        host->second.count = host->window.count = 0;
}

bool sim_probes_proven(const struct sim_probes *p, const struct qe_addr *addr)
{
    uint8_t key[ADDRESS_KEY];
    address_key(addr, key);
    const struct address *address = qe_table_get(p->addresses, key);
    return address && address->proven;
}
