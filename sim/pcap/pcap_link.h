// What a capture's records begin with, by link type (https://www.tcpdump.org/linktypes.html).
#ifndef QE_SIM_PCAP_LINK_H
#define QE_SIM_PCAP_LINK_H

#include "base/bytes.h"

#include <stdbool.h>

// The names of the link types that are known, for messages.
#define SIM_PCAP_LINKS "Ethernet, raw IP, BSD loopback or Linux cooked"

bool sim_pcap_link_known(uint32_t link);
// The IP packet in a record, padding cut off, and how long it was before the capture cut it short. False where it holds
// none.
bool sim_pcap_link_ip(uint32_t link, struct qe_span record, struct qe_span *ip, uint32_t *total_size);

#endif
