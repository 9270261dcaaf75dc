#include "world/contacts.h"

#include "net/outer.h"

#define AMPLIFICATION_MAX 3

void sim_contacts_fini(struct sim_contacts *contacts)
{
    sim_release(contacts->slots);
}

static uint64_t hash_of(const struct qe_addr *addr)
{
    uint64_t hash = qe_load64(addr->ip.bytes) * UINT64_C(0x9E3779B97F4A7C15);
    hash = (hash ^ hash >> 29 ^ qe_load64(addr->ip.bytes + 8)) * UINT64_C(0xBF58476D1CE4E5B9);
    hash = (hash ^ hash >> 32 ^ addr->port) * UINT64_C(0x9E3779B97F4A7C15);
    return hash ^ hash >> 32;
}

static bool same(const struct qe_addr *a, const struct qe_addr *b)
{
    return a->port == b->port && qe_ip_equal(&a->ip, &b->ip);
}

static struct sim_contact *slot_of(const struct sim_contacts *contacts, const struct qe_addr *addr)
{
    size_t mask = contacts->capacity - 1;
    for (size_t at = (size_t)hash_of(addr) & mask;; at = (at + 1) & mask)
        if (contacts->slots[at].addr.ip.family == 0 || same(&contacts->slots[at].addr, addr))
            return &contacts->slots[at];
}

static void grow(struct sim_contacts *contacts)
{
    struct sim_contacts larger = {.capacity = contacts->capacity ? contacts->capacity * 2 : 16};
    if (contacts->count * 2 < contacts->capacity) return;
    larger.slots = sim_obtain(larger.capacity, sizeof(*larger.slots));
    larger.count = contacts->count;
    for (size_t i = 0; i < contacts->capacity; i++)
        if (contacts->slots[i].addr.ip.family) *slot_of(&larger, &contacts->slots[i].addr) = contacts->slots[i];
    sim_release(contacts->slots);
    *contacts = larger;
}

static struct sim_contact *put(struct sim_contacts *contacts, const struct qe_addr *addr)
{
    grow(contacts);
    struct sim_contact *contact = slot_of(contacts, addr);
    if (contact->addr.ip.family == 0) {
        contacts->count++;
        contact->addr = *addr;
    }
    return contact;
}

const struct sim_contact *sim_contacts_find(const struct sim_contacts *contacts, const struct qe_addr *addr)
{
    const struct sim_contact *contact = contacts->capacity ? slot_of(contacts, addr) : NULL;
    return contact && contact->addr.ip.family ? contact : NULL;
}

void sim_contacts_configured(struct sim_contacts *contacts, const struct qe_addr *addr)
{
    put(contacts, addr)->configured = true;
}

// A Handshake packet proves the address (RFC 9000 §8.1), be it behind an Initial in the same datagram, and so does an
// Initial with a token. A short header comes from a connection whose path was proven before it moved.
static bool proves(struct qe_span datagram)
{
    const uint8_t *p = datagram.data;
    uint64_t classes = sim_outer_classes(p, datagram.size);
    if (classes & (QE_CARRIED_BIT(HANDSHAKE) | QE_CARRIED_BIT(ONE_RTT))) return true;
    if (datagram.size < 7 || !(classes & QE_CARRIED_BIT(INITIAL)) || (p[0] >> 4 & 3) != 0) return false;
    size_t at = 6 + (size_t)p[5];
    if (at >= datagram.size) return false;
    at += 1 + (size_t)p[at];
    return at < datagram.size && p[at] != 0;
}

void sim_contacts_received(
    struct sim_contacts *contacts, const struct qe_addr *from, struct qe_span datagram, uint64_t now_ns)
{
    struct sim_contact *contact = put(contacts, from);
    contact->received_bytes += datagram.size;
    contact->received_ns = now_ns;
    if (!contact->proven) contact->proven = proves(datagram);
}

enum sim_contact_fault sim_contacts_sent(struct sim_contacts *contacts, const struct qe_addr *to, size_t bytes)
{
    struct sim_contact *contact = put(contacts, to);
    contact->sent_bytes += bytes;
    if (contact->configured || contact->proven) return SIM_CONTACT_FINE;
    if (contact->received_bytes == 0) return SIM_CONTACT_STRANGER;
    return contact->sent_bytes > AMPLIFICATION_MAX * contact->received_bytes ? SIM_CONTACT_AMPLIFIED : SIM_CONTACT_FINE;
}
