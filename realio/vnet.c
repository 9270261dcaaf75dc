#include "vnet.h"

#include <assert.h>
#include <linux/virtio_net.h>

// Kernel headers older than 6.2 do not have it.
#ifndef VIRTIO_NET_HDR_GSO_UDP_L4
#define VIRTIO_NET_HDR_GSO_UDP_L4 5
#endif

static_assert(sizeof(struct virtio_net_hdr) == QE_VNET_SIZE, "the header's layout is the kernel's");

static bool kind_of(uint8_t gso_type, uint8_t version, uint8_t *kind)
{
    // With ECN: a CWR flag among the segments, which belongs to the first. Whoever cuts the packet sees the flag
    // itself.
    switch (gso_type & ~VIRTIO_NET_HDR_GSO_ECN) {
    case VIRTIO_NET_HDR_GSO_NONE:
        *kind = QE_OFFLOAD_NONE;
        return true;
    case VIRTIO_NET_HDR_GSO_TCPV4:
        *kind = QE_OFFLOAD_TCP4;
        return version == 4;
    case VIRTIO_NET_HDR_GSO_TCPV6:
        *kind = QE_OFFLOAD_TCP6;
        return version == 6;
    case VIRTIO_NET_HDR_GSO_UDP_L4:
        *kind = version == 4 ? QE_OFFLOAD_UDP4 : QE_OFFLOAD_UDP6;
        return version == 4 || version == 6;
    default: // UFO was not asked for
        return false;
    }
}

// Where the checksum starts is where the transport header does. 0 where there is no room for it.
static uint32_t header_size(struct qe_span packet, const struct qe_offload *offload)
{
    uint32_t start = offload->checksum_start;
    if (offload->kind == QE_OFFLOAD_UDP4 || offload->kind == QE_OFFLOAD_UDP6)
        return start + 8 <= packet.size ? start + 8 : 0;
    if (start + 20 > packet.size) return 0;
    uint32_t tcp = (uint32_t)(packet.data[start + 12] >> 4) * 4;
    return tcp >= 20 && start + tcp <= packet.size ? start + tcp : 0;
}

bool qe_vnet_read(const uint8_t header[QE_VNET_SIZE], struct qe_span packet, struct qe_offload *offload)
{
    struct virtio_net_hdr hdr;
    memcpy(&hdr, header, sizeof hdr);
    uint8_t version = packet.size ? packet.data[0] >> 4 : 0;
    struct qe_offload out = {0};
    if (!kind_of(hdr.gso_type, version, &out.kind)) return false;
    out.checksum_valid = (hdr.flags & VIRTIO_NET_HDR_F_DATA_VALID) != 0;
    if (hdr.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) {
        out.needs_checksum = true;
        out.checksum_start = hdr.csum_start;
        out.checksum_offset = hdr.csum_offset;
        if ((size_t)hdr.csum_start + hdr.csum_offset + 2 > packet.size) return false;
    }
    if (out.kind != QE_OFFLOAD_NONE) {
        uint32_t size = out.needs_checksum ? header_size(packet, &out) : 0;
        if (size == 0 || size > UINT16_MAX || hdr.gso_size == 0) return false;
        out.header_size = (uint16_t)size;
        out.segment_size = hdr.gso_size;
        // One segment is an ordinary packet.
        if (packet.size - size <= hdr.gso_size) {
            out.kind = QE_OFFLOAD_NONE;
            out.header_size = out.segment_size = 0;
        }
    }
    *offload = out;
    return true;
}

void qe_vnet_write(const struct qe_offload *offload, uint8_t header[QE_VNET_SIZE])
{
    static const uint8_t types[] = {VIRTIO_NET_HDR_GSO_NONE, VIRTIO_NET_HDR_GSO_TCPV4, VIRTIO_NET_HDR_GSO_TCPV6,
        VIRTIO_NET_HDR_GSO_UDP_L4, VIRTIO_NET_HDR_GSO_UDP_L4};
    struct virtio_net_hdr hdr = {0};
    if (offload->needs_checksum) {
        hdr.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
        hdr.csum_start = offload->checksum_start;
        hdr.csum_offset = offload->checksum_offset;
    } else if (offload->checksum_valid) {
        hdr.flags = VIRTIO_NET_HDR_F_DATA_VALID;
    }
    hdr.gso_type = types[offload->kind];
    if (offload->kind != QE_OFFLOAD_NONE) {
        hdr.hdr_len = offload->header_size;
        hdr.gso_size = offload->segment_size;
    }
    memcpy(header, &hdr, sizeof hdr);
}
