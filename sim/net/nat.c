// What a NAT does to a datagram, and its explicit mappings.
#include "net/nat_internal.h"

#include "base/time.h"
#include "engine/memory.h"

#include <assert.h>
#include <string.h>

static struct sim_endpoint endpoint_of(const struct qe_addr *addr)
{
    return (struct sim_endpoint){qe_ip4_to_u32(&addr->ip), addr->port};
}

static void set(struct qe_addr *addr, struct sim_endpoint endpoint)
{
    addr->ip = qe_ip4_from_u32(endpoint.ip);
    addr->port = endpoint.port;
}

static uint64_t end_of(uint64_t now_ns, uint64_t timeout_ns)
{
    return timeout_ns > QE_TIME_NEVER - now_ns ? QE_TIME_NEVER : now_ns + timeout_ns;
}

static void add_forwards(struct sim_nat *nat)
{
    for (size_t i = 0; i < nat->settings->forward_count; i++) {
        const struct sim_nat_forward *forward = &nat->settings->forwards[i];
        struct nat_mapping *mapping = sim_obtain(1, sizeof(*mapping));
        mapping->kind = NAT_FORWARD;
        mapping->inside = forward->to;
        mapping->host = nat_host(nat, forward->to.ip);
        bool taken = nat_take_this_port(nat, mapping, nat->address_now, forward->port);
        assert(taken); // the reader of scenarios has seen that they are different
        nat_add(nat, mapping, QE_TIME_NEVER);
    }
}

struct sim_nat *sim_nat_new(const struct sim_nat_settings *settings, uint64_t seed, const char *name,
    const uint32_t *addresses, size_t address_count, const struct qe_cidr *inside)
{
    struct sim_nat *nat = sim_obtain(1, sizeof(*nat));
    assert(address_count > 0 && settings->port_min > 0);
    nat->settings = settings;
    nat->ports = sim_stream(seed, SIM_STREAM_NAT, name, NAT_CHANCE_PORT);
    nat->pool = sim_stream(seed, SIM_STREAM_NAT, name, NAT_CHANCE_ADDRESS);
    nat->address_count = address_count;
    nat->addresses = sim_obtain(address_count, sizeof(*nat->addresses));
    for (size_t i = 0; i < address_count; i++) {
        nat->addresses[i].ip = addresses[i];
        if (settings->block_ports)
            nat->addresses[i].blocks_taken = sim_obtain(NAT_PORTS / settings->block_ports + 1, 1);
    }
    if (inside && inside->ip.family == 4) {
        nat->inside_mask = inside->bits ? ~UINT32_C(0) << (32 - inside->bits) : 0;
        nat->inside_base = qe_ip4_to_u32(&inside->ip) & nat->inside_mask;
    }
    nat_tables_init(nat, seed, name);
    add_forwards(nat);
    return nat;
}

void sim_nat_free(struct sim_nat *nat)
{
    if (!nat) return;
    nat_tables_fini(nat);
    for (size_t i = 0; i < nat->address_count; i++)
        sim_release(nat->addresses[i].blocks_taken);
    sim_release(nat->addresses);
    sim_release(nat);
}

void sim_nat_reboot(struct sim_nat *nat, uint64_t now_ns)
{
    nat_forget(nat);
    nat->boot_ns = now_ns;
    nat->address_next = 0;
    for (size_t i = 0; i < nat->address_count; i++)
        nat->addresses[i].next = 0;
    if (nat->settings->renumber) nat->address_now = (nat->address_now + 1) % nat->address_count;
    add_forwards(nat);
}

bool sim_nat_owns(const struct sim_nat *nat, const struct qe_ip *ip)
{
    if (ip->family != 4) return false;
    uint32_t wanted = qe_ip4_to_u32(ip);
    if (nat->settings->renumber) return nat->addresses[nat->address_now].ip == wanted;
    for (size_t i = 0; i < nat->address_count; i++)
        if (nat->addresses[i].ip == wanted) return true;
    return false;
}

const struct sim_nat_settings *sim_nat_settings(const struct sim_nat *nat)
{
    return nat->settings;
}

const struct sim_nat_counts *sim_nat_counts(const struct sim_nat *nat)
{
    return &nat->counts;
}

uint64_t sim_nat_boot_ns(const struct sim_nat *nat)
{
    return nat->boot_ns;
}

static struct nat_mapping *make_mapping(
    struct sim_nat *nat, uint64_t now_ns, const struct nat_mapping *wanted, uint16_t port, uint64_t timeout_ns)
{
    if (nat_full(nat)) {
        nat->counts.refused++;
        return NULL;
    }
    struct nat_mapping *mapping = sim_obtain(1, sizeof(*mapping));
    *mapping = *wanted;
    mapping->host = nat_host(nat, mapping->inside.ip);
    if (!nat_take_port(nat, mapping, port)) {
        nat->counts.refused++;
        nat_release_host(nat, mapping->host);
        sim_release(mapping);
        return NULL;
    }
    nat_add(nat, mapping, end_of(now_ns, timeout_ns));
    return mapping;
}

static void refresh_mapping(struct sim_nat *nat, uint64_t now_ns, struct nat_mapping *mapping)
{
    const struct sim_nat_settings *s = nat->settings;
    if (mapping->kind != NAT_DYNAMIC) return;
    nat_set_end(nat, &mapping->entry, end_of(now_ns, mapping->entry.answered ? s->timeout_ns : s->unanswered_ns));
}

static void refresh_permission(struct sim_nat *nat, uint64_t now_ns, struct nat_permission *permission)
{
    const struct sim_nat_settings *s = nat->settings;
    nat_set_end(
        nat, &permission->entry, end_of(now_ns, permission->entry.answered ? s->filter_ns : s->filter_unanswered_ns));
}

static bool filters(const struct sim_nat *nat, const struct nat_mapping *mapping)
{
    return nat->settings->filtering != SIM_ENDPOINT_INDEPENDENT && mapping->kind == NAT_DYNAMIC;
}

static struct nat_mapping *map_outbound(
    struct sim_nat *nat, uint64_t now_ns, struct sim_endpoint inside, struct sim_endpoint remote)
{
    bool refreshes = nat->settings->refresh != SIM_REFRESH_INBOUND;
    struct nat_mapping *mapping = nat_find_explicit(nat, inside);
    if (mapping) return mapping;
    mapping = nat_find_dynamic(nat, inside, remote);
    if (mapping && refreshes) refresh_mapping(nat, now_ns, mapping);
    if (!mapping) {
        struct nat_mapping wanted = {
            .kind = NAT_DYNAMIC, .inside = inside, .remote = nat_part(nat->settings->mapping, remote)};
        mapping = make_mapping(nat, now_ns, &wanted, inside.port, nat->settings->unanswered_ns);
    }
    if (!mapping || !filters(nat, mapping)) return mapping;
    struct nat_permission *permission = nat_permission(nat, mapping, remote, true);
    if (!permission) {
        nat->counts.refused++;
        return NULL;
    }
    if (refreshes || permission->entry.timer.at_ns == QE_TIME_NEVER) refresh_permission(nat, now_ns, permission);
    return mapping;
}

bool sim_nat_outbound(
    struct sim_nat *nat, uint64_t now_ns, struct qe_addr *source, const struct qe_addr *destination, enum sim_drop *why)
{
    nat_expire(nat, now_ns);
    struct nat_mapping *mapping = map_outbound(nat, now_ns, endpoint_of(source), endpoint_of(destination));
    *why = SIM_DROP_EXHAUSTED;
    if (mapping) set(source, mapping->outside);
    return mapping != NULL;
}

// A datagram from `remote` has come for the mapping; false where it is filtered, and then nothing is refreshed (RFC
// 4787 REQ-6: what is not let in must not keep a mapping).
static bool let_in(struct sim_nat *nat, uint64_t now_ns, struct nat_mapping *mapping, struct sim_endpoint remote)
{
    bool refreshes = nat->settings->refresh != SIM_REFRESH_OUTBOUND;
    if (filters(nat, mapping)) {
        struct nat_permission *permission = nat_permission(nat, mapping, remote, false);
        if (!permission) return false;
        permission->entry.answered = true;
        if (refreshes) refresh_permission(nat, now_ns, permission);
    }
    mapping->entry.answered = true;
    if (refreshes) refresh_mapping(nat, now_ns, mapping);
    return true;
}

bool sim_nat_inbound(
    struct sim_nat *nat, uint64_t now_ns, const struct qe_addr *source, struct qe_addr *destination, enum sim_drop *why)
{
    nat_expire(nat, now_ns);
    struct nat_mapping *mapping = nat_find_outside(nat, endpoint_of(destination), endpoint_of(source));
    *why = mapping ? SIM_DROP_FILTERED : SIM_DROP_NO_MAPPING;
    if (!mapping || !let_in(nat, now_ns, mapping, endpoint_of(source))) return false;
    set(destination, mapping->inside);
    return true;
}

bool sim_nat_hairpin(
    struct sim_nat *nat, uint64_t now_ns, struct qe_addr *source, struct qe_addr *destination, enum sim_drop *why)
{
    struct qe_addr outside = *source;
    *why = SIM_DROP_HAIRPIN;
    if (nat->settings->hairpin == SIM_NAT_HAIRPIN_NONE) return false;
    if (!sim_nat_outbound(nat, now_ns, &outside, destination, why)) return false;
    if (!sim_nat_inbound(nat, now_ns, &outside, destination, why)) return false;
    if (nat->settings->hairpin == SIM_NAT_HAIRPIN_EXTERNAL) *source = outside;
    return true;
}

bool sim_nat_error(struct sim_nat *nat, uint64_t now_ns, struct qe_addr *outside, const struct qe_addr *remote)
{
    nat_expire(nat, now_ns);
    struct nat_mapping *mapping = nat_find_outside(nat, endpoint_of(outside), endpoint_of(remote));
    if (!mapping) return false;
    if (filters(nat, mapping) && !nat_permission(nat, mapping, endpoint_of(remote), false)) return false;
    set(outside, mapping->inside);
    return true;
}

bool sim_nat_error_out(struct sim_nat *nat, uint64_t now_ns, struct qe_addr *inside, const struct qe_addr *remote)
{
    nat_expire(nat, now_ns);
    struct nat_mapping *mapping = nat_find_explicit(nat, endpoint_of(inside));
    if (!mapping) mapping = nat_find_dynamic(nat, endpoint_of(inside), endpoint_of(remote));
    if (mapping) set(inside, mapping->outside);
    return mapping != NULL;
}

static bool is_his(const struct nat_mapping *mapping, const struct sim_nat_request *request)
{
    return mapping->kind == NAT_EXPLICIT && memcmp(mapping->nonce, request->nonce, SIM_NAT_NONCE_SIZE) == 0;
}

static bool is_suggested(const struct sim_nat_request *request, struct sim_endpoint outside)
{
    return (!request->suggested.ip || request->suggested.ip == outside.ip) &&
           (!request->suggested.port || request->suggested.port == outside.port);
}

enum sim_nat_answer sim_nat_map(
    struct sim_nat *nat, uint64_t now_ns, const struct sim_nat_request *request, struct sim_endpoint *outside)
{
    nat_expire(nat, now_ns);
    struct nat_mapping *mapping = nat_find_explicit(nat, request->inside);
    if (mapping && !is_his(mapping, request)) return SIM_NAT_NOT_YOURS;
    if (!mapping && nat->settings->mapping == SIM_ENDPOINT_INDEPENDENT) {
        // One endpoint, one mapping (RFC 6887 §11.3): what its datagrams have made becomes explicit.
        mapping = nat_find_dynamic(nat, request->inside, (struct sim_endpoint){0});
        if (mapping) nat_make_explicit(nat, mapping, request->nonce);
    }
    if (!mapping) {
        struct nat_mapping wanted = {.kind = NAT_EXPLICIT, .inside = request->inside};
        memcpy(wanted.nonce, request->nonce, SIM_NAT_NONCE_SIZE);
        mapping = make_mapping(nat, now_ns, &wanted,
            request->suggested.port ? request->suggested.port : request->inside.port, request->lifetime_ns);
        if (!mapping) return SIM_NAT_NO_PORT;
        if (request->suggestion_binds && !is_suggested(request, mapping->outside)) {
            nat_remove(nat, mapping);
            return SIM_NAT_NOT_THAT_PORT;
        }
    } else if (request->suggestion_binds && !is_suggested(request, mapping->outside)) {
        return SIM_NAT_NOT_THAT_PORT;
    }
    nat_set_end(nat, &mapping->entry, end_of(now_ns, request->lifetime_ns));
    *outside = mapping->outside;
    return SIM_NAT_GRANTED;
}

enum sim_nat_answer sim_nat_unmap(struct sim_nat *nat, uint64_t now_ns, const struct sim_nat_request *request)
{
    nat_expire(nat, now_ns);
    struct nat_mapping *mapping = nat_find_explicit(nat, request->inside);
    if (mapping && !is_his(mapping, request)) return SIM_NAT_NOT_YOURS;
    if (mapping) nat_remove(nat, mapping);
    return SIM_NAT_GRANTED;
}

void sim_nat_unmap_all(struct sim_nat *nat, uint64_t now_ns, uint32_t inside, const uint8_t *nonce)
{
    size_t cursor = 0;
    struct nat_mapping *mapping;
    nat_expire(nat, now_ns);
    while ((mapping = qe_table_each(nat->by_inside, &cursor)))
        if (mapping->kind == NAT_EXPLICIT && mapping->inside.ip == inside &&
            memcmp(mapping->nonce, nonce, SIM_NAT_NONCE_SIZE) == 0)
            nat_remove(nat, mapping);
}

uint32_t sim_nat_explicit_count(struct sim_nat *nat, uint64_t now_ns, uint32_t inside)
{
    nat_expire(nat, now_ns);
    const struct nat_host *host = qe_table_get(nat->hosts, &inside);
    return host ? host->explicit_count : 0;
}

bool sim_nat_has_explicit(struct sim_nat *nat, uint64_t now_ns, struct sim_endpoint inside)
{
    nat_expire(nat, now_ns);
    return nat_find_explicit(nat, inside) != NULL;
}
