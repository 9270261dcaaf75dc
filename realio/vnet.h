// The header before each packet of a TUN with IFF_VNET_HDR (linux/virtio_net.h), to and from struct qe_offload.
#ifndef QE_REALIO_VNET_H
#define QE_REALIO_VNET_H

#include "base/bytes.h"
#include "flow/offload.h"

// struct virtio_net_hdr without the count of merged buffers.
#define QE_VNET_SIZE 10

// Reads the header of `packet`. False where it makes no sense for this packet. The kernel's own header length is not
// used: for a forwarded packet it is that of the whole first fragment, so the packet's headers are asked.
bool qe_vnet_read(const uint8_t header[QE_VNET_SIZE], struct qe_span packet, struct qe_offload *offload);
void qe_vnet_write(const struct qe_offload *offload, uint8_t header[QE_VNET_SIZE]);

#endif
