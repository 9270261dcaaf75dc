#include "rules.h"

#include "slot.h"

#include <errno.h>
#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

// Rules found in one look at the table; more are found at the next start.
#define FOUND_MAX 64
#define RULE_SIZE 512

static int request(struct qe_rtnetlink *netlink, bool add, const struct qe_rule *rule)
{
    uint16_t flags = add ? NLM_F_CREATE | NLM_F_EXCL : 0;
    struct fib_rule_hdr *header = qe_rtnetlink_begin(netlink, add ? RTM_NEWRULE : RTM_DELRULE, flags, sizeof *header);
    header->family = rule->family == 4 ? AF_INET : AF_INET6;
    header->action = FR_ACT_TO_TBL;
    header->table = RT_TABLE_UNSPEC;
    header->flags = FIB_RULE_INVERT;
    struct nlmsghdr *message = qe_rtnetlink_header(netlink);
    mnl_attr_put_u32(message, FRA_PRIORITY, rule->priority);
    mnl_attr_put_u32(message, FRA_TABLE, rule->table);
    mnl_attr_put_u32(message, FRA_FWMARK, QE_MARK);
    mnl_attr_put_u32(message, FRA_FWMASK, UINT32_MAX);
    mnl_attr_put_u8(message, FRA_PROTOCOL, QE_PROTOCOL);
    if (rule->suppress_default) mnl_attr_put_u32(message, FRA_SUPPRESS_PREFIXLEN, 0);
    return qe_rtnetlink_commit(netlink);
}

int qe_rules_add(struct qe_rtnetlink *netlink, const struct qe_rule *rule)
{
    int error = request(netlink, true, rule);
    return error == EEXIST ? 0 : error;
}

int qe_rules_delete(struct qe_rtnetlink *netlink, const struct qe_rule *rule)
{
    int error = request(netlink, false, rule);
    return error == ENOENT ? 0 : error;
}

struct found {
    size_t count;
    struct {
        size_t size;
        _Alignas(struct fib_rule_hdr) uint8_t bytes[RULE_SIZE];
        uint32_t priority;
    } rules[FOUND_MAX];
};

// Keeps the rules with our protocol number, as they came: the kernel deletes what is described just so.
static int on_rule(const struct nlmsghdr *message, void *user)
{
    struct found *found = user;
    const struct fib_rule_hdr *header = mnl_nlmsg_get_payload(message);
    size_t size = mnl_nlmsg_get_payload_len(message);
    if (size < sizeof *header || size > RULE_SIZE || found->count == FOUND_MAX) return MNL_CB_OK;
    if (header->family != AF_INET && header->family != AF_INET6) return MNL_CB_OK;
    const char *end = mnl_nlmsg_get_payload_tail(message);
    const struct nlattr *attribute = mnl_nlmsg_get_payload_offset(message, sizeof *header);
    uint32_t priority = 0;
    bool ours = false;
    for (; mnl_attr_ok(attribute, (int)(end - (const char *)attribute)); attribute = mnl_attr_next(attribute)) {
        uint16_t type = mnl_attr_get_type(attribute), length = mnl_attr_get_payload_len(attribute);
        if (type == FRA_PROTOCOL && length == 1) ours = mnl_attr_get_u8(attribute) == QE_PROTOCOL;
        if (type == FRA_PRIORITY && length == 4) priority = mnl_attr_get_u32(attribute);
    }
    uint32_t last = QE_PRIORITY_FIRST + QE_PRIORITY_STEP * QE_SLOTS;
    if (!ours || priority < QE_PRIORITY_FIRST || priority >= last) return MNL_CB_OK;
    memcpy(found->rules[found->count].bytes, header, size);
    found->rules[found->count].size = size;
    found->rules[found->count++].priority = priority;
    return MNL_CB_OK;
}

unsigned qe_rules_clean(struct qe_rtnetlink *netlink, unsigned slot)
{
    struct found found = {0};
    unsigned deleted = 0;
    // All families.
    qe_rtnetlink_begin(netlink, RTM_GETRULE, 0, sizeof(struct fib_rule_hdr));
    if (qe_rtnetlink_dump(netlink, on_rule, &found)) return 0;
    for (size_t i = 0; i < found.count; i++) {
        unsigned of = (found.rules[i].priority - QE_PRIORITY_FIRST) / QE_PRIORITY_STEP;
        if (of != slot && qe_slot_is_live(of)) continue;
        void *body = qe_rtnetlink_begin(netlink, RTM_DELRULE, 0, found.rules[i].size);
        memcpy(body, found.rules[i].bytes, found.rules[i].size);
        deleted += qe_rtnetlink_commit(netlink) == 0;
    }
    return deleted;
}
