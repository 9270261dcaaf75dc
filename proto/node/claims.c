// Claims: what this node tells its peers of itself, what they tell, and what the host is asked for because of it.
#include "wire/claims.h"

#include "base/mutants.h"
#include "node/cplane_internal.h"

#include <stdio.h>

static int64_t now_s(const struct qe_cplane *c)
{
    return (int64_t)(c->now_ns / QE_NS_PER_S);
}

void cplane_claims_init(struct qe_cplane *c)
{
    qe_subnets_init(&c->claims.subnets, c->mem);
    c->claims.next_s = INT64_MAX;
    cplane_own_claims_init(c);
    if (c->config->advertise.count > 0) c->claims.number = 1;
}

void cplane_claims_fini(struct qe_cplane *c)
{
    qe_subnets_fini(&c->claims.subnets);
    qe_free(c->mem, c->claims.routes);
    cplane_dns_fini(c);
}

static struct cplane_action *ask(
    struct qe_cplane *c, enum qe_action_kind kind, const struct qe_cidr *list, size_t count, struct qe_prefixes *out)
{
    struct cplane_action *a = cplane_act(c, kind, count * sizeof *list);
    if (!a) return NULL;
    if (count) memcpy(a->bytes, list, count * sizeof *list);
    out->list = (const struct qe_cidr *)(const void *)a->bytes;
    out->count = count;
    return a;
}

void cplane_claims_start(struct qe_cplane *c)
{
    const struct qe_config_subnets *advertise = &c->config->advertise;
    struct qe_prefixes prefixes = {.request = CPLANE_REQUEST_FORWARD};
    cplane_dns_open(c);
    if (c->config->exit_node.text[0]) cplane_exit_on_setting(c);
    if (advertise->count == 0 || !c->config->forward) return;
    struct cplane_action *a = ask(c, QE_ACTION_FORWARD, advertise->list, advertise->count, &prefixes);
    if (!a) {
        snprintf(c->claims.forward_error, sizeof c->claims.forward_error, "out of memory");
        return;
    }
    a->action.forward.prefixes = prefixes;
    a->action.forward.masquerade = c->config->masquerade;
}

bool cplane_claims_on_result(struct qe_cplane *c, const struct qe_result *result)
{
    if (result->request == CPLANE_REQUEST_ADDRESSES) {
        if (result->code != QE_RESULT_OK)
            cplane_log(c, QE_LOG_ERROR, "the TUN interface does not take this node's new address: %s",
                result->text ? result->text : "refused");
        return true;
    }
    if (cplane_dns_on_result(c, result)) return true;
    char *error = result->request == CPLANE_REQUEST_ROUTES    ? c->claims.routes_error
                  : result->request == CPLANE_REQUEST_FORWARD ? c->claims.forward_error
                                                              : NULL;
    if (!error) return false;
    bool was_fine = !error[0];
    const char *text = result->code == QE_RESULT_OK ? "" : result->text ? result->text : "refused";
    snprintf(error, sizeof c->claims.routes_error, "%s", text);
    if (error[0] && was_fine)
        cplane_log(c, QE_LOG_WARN, "%s: %s",
            error == c->claims.routes_error ? "the host takes no routes to advertised networks"
                                            : "the host does not forward to the networks that this node advertises",
            error);
    return true;
}

// What this node claims, in a message. Networks that do not fit are left out.
static size_t write_claims(const struct qe_cplane *c, uint8_t *out, size_t size)
{
    const struct qe_config_subnets *advertise = &c->config->advertise;
    struct qe_claims claims = {
        .number = c->claims.number, .addresses = {c->own[0].ip, c->own[1].ip}, .address_count = 2};
    snprintf(claims.name, sizeof claims.name, "%s", cplane_own_name(c));
    while (claims.subnet_count < advertise->count && claims.subnet_count < QE_CLAIMS_SUBNETS_MAX) {
        claims.subnets[claims.subnet_count] = advertise->list[claims.subnet_count];
        claims.subnet_count++;
    }
    size_t used = qe_claims_encode(&claims, out, size);
    while (used == 0 && claims.subnet_count > 0) {
        claims.subnet_count--;
        used = qe_claims_encode(&claims, out, size);
    }
    return used;
}

void cplane_say_claims(struct qe_cplane *c, struct cplane_path *path)
{
    uint8_t message[2 + QE_MESSAGE_SIZE_MAX];
    if (c->claims.number == 0 || !path->open || !path->greeted) return;
    size_t size = write_claims(c, message, sizeof message);
    struct qe_mail *mail = cplane_post(c, path->lane, QE_MAIL_SEND, message, size);
    if (mail) mail->path = path->id;
}

void cplane_say_claims_to_all(struct qe_cplane *c)
{
    size_t cursor = 0;
    struct cplane_path *path;
    while ((path = qe_table_each(c->paths, &cursor)))
        cplane_say_claims(c, path);
}

// The networks of this host: those of its interfaces, and those behind it.
static size_t own_networks(const struct qe_cplane *c, struct qe_cidr *out)
{
    size_t count = 0;
    for (size_t i = 0; i < c->link_count; i++) {
        const struct cplane_link *link = &c->links[i];
        if (!link->up || strcmp(link->name, c->config->tun_name) == 0) continue;
        for (size_t j = 0; j < link->address_count; j++)
            out[count++] = link->addresses[j];
    }
    for (size_t i = 0; i < c->config->advertise.count; i++)
        out[count++] = c->config->advertise.list[i];
    return count;
}

static void tell_verdicts(struct qe_cplane *c)
{
    char text[QE_ADDR_TEXT_SIZE], name[QE_NAME_SIZE], reason[160];
    for (size_t i = 0; i < c->claims.subnets.count; i++) {
        struct qe_subnet_claim *claim = &c->claims.subnets.claims[i];
        struct cplane_peer *peer = c->peers[claim->peer];
        if (claim->told == claim->verdict) continue;
        claim->told = claim->verdict;
        cplane_trace(c, claim->verdict == QE_SUBNET_ACCEPTED ? "subnet.accepted" : "subnet.refused", peer,
            (uint64_t)claim->verdict, claim->subnet.bits);
        if (claim->verdict == QE_SUBNET_ACCEPTED)
            cplane_log(
                c, QE_LOG_INFO, "%s is behind %s", qe_cidr_format(&claim->subnet, text), cplane_peer_text(peer, name));
        else
            cplane_log(c, QE_LOG_WARN, "%s claims the network %s, refused: %s", cplane_peer_text(peer, name),
                qe_cidr_format(&claim->subnet, text), qe_subnet_reason(claim, reason));
    }
}

// The host routes to what the lanes know: they hear of a new way first, and the host of the end of one.
static void use_owners(struct qe_cplane *c, bool anyway)
{
    if (cplane_choose_owners(c) || anyway) cplane_publish(c);
    cplane_tell_routes(c);
}

static void decide(struct qe_cplane *c, bool anyway)
{
    struct qe_cidr own[CPLANE_LINKS_MAX * CPLANE_LINK_ADDRESSES + QE_CONFIG_SUBNETS_MAX];
    const struct qe_subnet_rules rules = {.overlay = c->own,
        .overlay_count = 2,
        .own = own,
        .own_count = own_networks(c, own),
        .restricted = c->config->accept.origin != QE_CONFIG_DEFAULT,
        .accept = c->config->accept.list,
        .accept_count = c->config->accept.count,
        .exit_only = c->config->exit_node.text[0] != '\0',
        .exit = c->exit.known ? &c->exit.id : NULL};
    bool changed = qe_subnets_decide(&c->claims.subnets, &rules, now_s(c));
    c->claims.next_s = qe_subnets_deadline(&c->claims.subnets, now_s(c));
    tell_verdicts(c);
    use_owners(c, changed || anyway);
}

void cplane_claims_decide(struct qe_cplane *c)
{
    decide(c, true);
}

static void set_subnets(
    struct qe_cplane *c, struct cplane_peer *peer, const struct qe_cidr *list, size_t count, int64_t expires_s)
{
    char name[QE_NAME_SIZE];
    size_t before = c->claims.subnets.count;
    uint64_t passed_over = c->claims.subnets.passed_over;
    if (count == 0 && !peer->has_subnets) return;
    bool changed = qe_subnets_set(&c->claims.subnets, peer->index, &peer->id, list, count, expires_s, now_s(c));
    peer->has_subnets = count > 0;
    peer->standing = qe_session_state(&peer->session);
    if (c->claims.subnets.passed_over > passed_over)
        cplane_log(c, QE_LOG_WARN, "%s claims more networks than there is room for", cplane_peer_text(peer, name));
    if (c->claims.subnets.count < before)
        cplane_log(c, QE_LOG_INFO, "%s advertises fewer networks than before", cplane_peer_text(peer, name));
    decide(c, changed);
}

void cplane_claims_said(struct qe_cplane *c, struct cplane_path *path, const struct qe_claims *claims)
{
    struct cplane_peer *peer = path->peer;
    if (!cplane_carries(peer)) return;
    bool same_boot = peer->claims_number > 0 && peer->claims_boot == path->hello.boot_epoch;
    if (same_boot && claims->number < peer->claims_number) return;
    peer->claims_boot = path->hello.boot_epoch;
    peer->claims_number = claims->number;
    cplane_trace(c, "claims.said", peer, claims->number, claims->subnet_count);
    peer->doubted = false;
    memcpy(peer->said_name, claims->name, sizeof peer->said_name);
    cplane_claim(c, peer, claims->addresses, claims->address_count);
    set_subnets(c, peer, claims->subnets, claims->subnet_count, INT64_MAX);
}

void cplane_claims_recorded(
    struct qe_cplane *c, struct cplane_peer *peer, const struct qe_cidr *subnets, size_t count, uint64_t lifetime_s)
{
    enum qe_session_state state = qe_session_state(&peer->session);
    if (peer->leaving || !cplane_carries(peer) || state == QE_SESSION_CONNECTED) return;
    int64_t kept_s = lifetime_s < INT32_MAX ? (int64_t)lifetime_s : INT32_MAX;
    set_subnets(c, peer, subnets, count, now_s(c) + kept_s);
}

// Until when what the peer claims counts, as its session is now.
static void set_expiry(struct qe_cplane *c, const struct cplane_peer *peer)
{
    struct qe_subnets *s = &c->claims.subnets;
    int64_t kept_s = peer->doubted ? CPLANE_CLAIMS_DOUBTED_S : CPLANE_CLAIMS_KEPT_S;
    bool holds = peer->standing == QE_SESSION_CONNECTED && !peer->doubted;
    for (size_t i = 0; i < s->count; i++)
        if (s->claims[i].peer == peer->index) s->claims[i].expires_s = holds ? INT64_MAX : now_s(c) + kept_s;
    c->claims.next_s = qe_subnets_deadline(s, now_s(c));
}

void cplane_claims_doubt(struct qe_cplane *c, struct cplane_peer *peer)
{
    if (!peer->has_subnets) return;
    peer->doubted = true;
    set_expiry(c, peer);
}

void cplane_claims_on_session(struct qe_cplane *c, struct cplane_peer *peer)
{
    enum qe_session_state state = qe_session_state(&peer->session), before = peer->standing;
    if (!peer->has_subnets || state == before) return;
    peer->standing = state;
    bool is = state == QE_SESSION_CONNECTED, was = before == QE_SESSION_CONNECTED;
    if (is != was) set_expiry(c, peer);
    use_owners(c, false);
}

void cplane_claims_forget(struct qe_cplane *c, const struct cplane_peer *peer)
{
    if (!peer->has_subnets) return;
    qe_subnets_set(&c->claims.subnets, peer->index, &peer->id, NULL, 0, 0, now_s(c));
    decide(c, true);
}

void cplane_claims_on_link(struct qe_cplane *c)
{
    if (c->claims.subnets.count > 0) decide(c, false);
}

void cplane_claims_expire(struct qe_cplane *c)
{
    cplane_own_claims_expire(c);
    cplane_witness_expire(c);
    cplane_dns_expire(c);
    if (now_s(c) < c->claims.next_s) return;
    decide(c, qe_subnets_expire(&c->claims.subnets, now_s(c)));
}

uint64_t cplane_claims_deadline(const struct qe_cplane *c)
{
    int64_t next_s = c->up && !c->stopping ? cplane_witness_deadline_s(c) : INT64_MAX;
    if (c->claims.next_s < next_s) next_s = c->claims.next_s;
    uint64_t at_ns = next_s == INT64_MAX ? QE_TIME_NEVER : (uint64_t)next_s * QE_NS_PER_S;
    return qe_time_min(at_ns, qe_time_min(cplane_own_claims_deadline(c), cplane_dns_deadline(c)));
}
