#include "net/portmap_internal.h"

#include "base/time.h"

// The version is the first byte of both: 0 is NAT-PMP, 2 is PCP (RFC 6887 §9, appendix A).
size_t sim_portmap_answer(const struct sim_portmap_settings *settings, struct sim_nat *nat, uint64_t now_ns,
    const struct qe_addr *client, struct qe_span request, uint8_t answer[SIM_PORTMAP_ANSWER_SIZE])
{
    const struct portmap_call call = {settings, nat, now_ns, client, request, answer};
    if (settings->policy == SIM_PORTMAP_SILENT || request.size < 2 || client->ip.family != 4) return 0;
    if (settings->nat_pmp && (request.data[0] == 0 || !settings->pcp)) return portmap_nat_pmp(&call);
    return settings->pcp ? portmap_pcp(&call) : 0;
}

uint32_t portmap_epoch(const struct portmap_call *call)
{
    return (uint32_t)((call->now_ns - sim_nat_boot_ns(call->nat)) / QE_NS_PER_S);
}

uint64_t portmap_lifetime_ns(const struct portmap_call *call, uint32_t seconds)
{
    uint64_t ns = seconds * QE_NS_PER_S;
    if (ns < call->settings->lifetime_min_ns) ns = call->settings->lifetime_min_ns;
    return ns > call->settings->lifetime_max_ns ? call->settings->lifetime_max_ns : ns;
}

bool portmap_over_quota(const struct portmap_call *call, uint16_t inside_port)
{
    struct sim_endpoint inside = {qe_ip4_to_u32(&call->client->ip), inside_port};
    return call->settings->host_max && !sim_nat_has_explicit(call->nat, call->now_ns, inside) &&
           sim_nat_explicit_count(call->nat, call->now_ns, inside.ip) >= call->settings->host_max;
}
