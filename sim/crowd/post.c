// The network between members: every datagram takes half the round-trip time of its pair of addresses, or is lost.
#include "crowd/internal.h"

#include "engine/digest.h"

#include <string.h>

#define TAIL_MAX 80 // how far from a query's end its method stands: behind it are only t, v and y

static const struct {
    const char *method;
    enum sim_about about;
} methods[] = {{"4:ping", SIM_ABOUT_PING}, {"9:find_node", SIM_ABOUT_FIND_NODE}, {"9:get_peers", SIM_ABOUT_GET_PEERS},
    {"13:announce_peer", SIM_ABOUT_ANNOUNCE}, {"3:get", SIM_ABOUT_GET}, {"3:put", SIM_ABOUT_PUT},
    {"6:qe_get", SIM_ABOUT_INDEX_GET}, {"6:qe_put", SIM_ABOUT_INDEX_PUT}};

bool sim_about_is_query(const uint8_t *bytes, size_t size)
{
    return size > 8 && memcmp(bytes + size - 7, "1:y1:qe", 7) == 0;
}

enum sim_about sim_about_query(const uint8_t *bytes, size_t size)
{
    if (!sim_about_is_query(bytes, size)) return SIM_ABOUT_OTHER;
    for (size_t i = size > TAIL_MAX ? size - TAIL_MAX : 0; i + 3 < size; i++) {
        if (memcmp(bytes + i, "1:q", 3) != 0) continue;
        for (size_t m = 0; m < sizeof(methods) / sizeof(methods[0]); m++) {
            size_t length = strlen(methods[m].method);
            if (size - i - 3 >= length && memcmp(bytes + i + 3, methods[m].method, length) == 0)
                return methods[m].about;
        }
    }
    return SIM_ABOUT_OTHER;
}

static void add_to_hash(struct sim_crowd *crowd, const struct sim_letter *letter)
{
    uint8_t digest[SIM_DIGEST_SIZE];
    sim_digest(letter->bytes, letter->size, digest);
    uint64_t ends = (uint64_t)letter->from.ip << 32 | letter->to.ip;
    crowd->hash[0] = (crowd->hash[0] ^ qe_load64(digest) ^ crowd->now_ns) * UINT64_C(0x9E3779B97F4A7C15);
    crowd->hash[1] = (crowd->hash[1] ^ qe_load64(digest + 8) ^ ends) * UINT64_C(0xD6E8FEB86659FD93);
    crowd->hash[0] ^= crowd->hash[0] >> 32;
    crowd->hash[1] ^= crowd->hash[1] >> 32;
}

void sim_post_send(struct sim_crowd *crowd, struct sim_place from, struct sim_place to, const uint8_t *bytes,
    size_t size, enum sim_about about)
{
    uint32_t number = sim_letters_new(&crowd->letters, size);
    struct sim_letter *letter = sim_letters_get(&crowd->letters, number);
    letter->from = from;
    letter->to = to;
    letter->size = (uint16_t)size;
    letter->about = (uint8_t)about;
    memcpy(letter->bytes, bytes, size);
    crowd->sent++;
    crowd->sent_bytes += size + SIM_IP_UDP_BYTES;
    crowd->about_sent[about]++;
    crowd->about_bytes[about] += size + SIM_IP_UDP_BYTES;
    add_to_hash(crowd, letter);
    if (crowd->plan->loss_ppb && sim_random_chance(&crowd->link_chance, crowd->plan->loss_ppb)) {
        crowd->lost++;
        sim_letters_free(&crowd->letters, number);
        return;
    }
    uint64_t delay_ns = sim_places_delay_ns(&crowd->places, from.ip, to.ip);
    sim_crowd_schedule(crowd, crowd->now_ns + delay_ns, SIM_EVENT_LETTER, number);
}

static bool is_parted(const struct sim_crowd *crowd, uint32_t sender_ip, const struct sim_member *to)
{
    uint32_t sender = crowd->partition ? sim_places_at(&crowd->places, sender_ip) : SIM_NOBODY;
    return sender != SIM_NOBODY && crowd->members[sender].other_side != to->other_side;
}

void sim_post_arrive(struct sim_crowd *crowd, uint32_t number)
{
    struct sim_letter *letter = sim_letters_get(&crowd->letters, number);
    uint32_t who = sim_places_at(&crowd->places, letter->to.ip);
    struct sim_member *to = who == SIM_NOBODY ? NULL : &crowd->members[who];
    if (!to || to->place.port != letter->to.port)
        crowd->nobody++;
    else if (is_parted(crowd, letter->from.ip, to))
        crowd->parted++;
    else
        sim_member_receive(crowd, who, letter);
    sim_letters_free(&crowd->letters, number);
}
