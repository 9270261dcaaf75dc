#include "pcap/pcap_link.h"

enum {
    LINK_NULL = 0,
    LINK_ETHERNET = 1,
    LINK_RAW_OPENBSD = 12, // what LINKTYPE_RAW is on some systems
    LINK_RAW_BSDOS = 14,
    LINK_RAW = 101,
    LINK_LOOP = 108,
    LINK_LINUX_SLL = 113,
    LINK_IPV4 = 228,
    LINK_IPV6 = 229,
    LINK_LINUX_SLL2 = 276,
};

#define ETHER_IP4  0x0800
#define ETHER_IP6  0x86DD
#define ETHER_VLAN 0x8100
#define ETHER_QINQ 0x88A8
#define TAGS_MAX   4

bool sim_pcap_link_known(uint32_t link)
{
    switch (link) {
    case LINK_NULL:
    case LINK_ETHERNET:
    case LINK_RAW_OPENBSD:
    case LINK_RAW_BSDOS:
    case LINK_RAW:
    case LINK_LOOP:
    case LINK_LINUX_SLL:
    case LINK_IPV4:
    case LINK_IPV6:
    case LINK_LINUX_SLL2:
        return true;
    default:
        return false;
    }
}

// What follows a header of that size; empty where there is no more.
static struct qe_span behind(struct qe_span record, size_t header)
{
    return record.size > header ? qe_span(record.data + header, record.size - header) : (struct qe_span){0};
}

// What follows the EtherType at `place`, where it (or the one behind VLAN tags) says IP.
static struct qe_span behind_type(struct qe_span record, size_t place, size_t header)
{
    for (int tags = 0; tags <= TAGS_MAX && record.size >= place + 2; tags++) {
        uint16_t type = qe_load16(record.data + place);
        if (type == ETHER_IP4 || type == ETHER_IP6) return behind(record, header);
        if (type != ETHER_VLAN && type != ETHER_QINQ) break;
        place = header + 2;
        header += 4;
    }
    return (struct qe_span){0};
}

bool sim_pcap_link_ip(uint32_t link, struct qe_span record, struct qe_span *ip, uint32_t *total_size)
{
    struct qe_span rest = record;
    if (link == LINK_ETHERNET) rest = behind_type(record, 12, 14);
    if (link == LINK_LINUX_SLL) rest = behind_type(record, 14, 16);
    if (link == LINK_LINUX_SLL2) rest = behind_type(record, 0, 20);
    if (link == LINK_NULL || link == LINK_LOOP) rest = behind(record, 4);
    size_t total;
    if (rest.size >= 20 && rest.data[0] >> 4 == 4)
        total = qe_load16(rest.data + 2);
    else if (rest.size >= 40 && rest.data[0] >> 4 == 6)
        total = (size_t)qe_load16(rest.data + 4) + 40;
    else
        return false;
    // A packet that the sending system captured before its card cut it up may say 0 (TCP segmentation offload).
    if (rest.data[0] >> 4 == 4 && total == 0) total = rest.size;
    if (total < (rest.data[0] >> 4 == 4 ? 20u : 40u)) return false;
    *total_size = (uint32_t)total;
    *ip = qe_span(rest.data, rest.size < total ? rest.size : total);
    return true;
}
