// Captures as a stream of IP packets: pcap in both byte orders, in micro- and nanoseconds
// (draft-ietf-opsawg-pcap), and pcapng (draft-ietf-opsawg-pcapng). A record at a time is in memory, so a capture may be
// of any size. What is not IP (ARP, and what else a link carries) is passed over and counted.
//
// Link types: Ethernet (with VLAN tags), raw IP, IPv4, IPv6, BSD loopback, and Linux cooked captures of both versions.
#ifndef QE_SIM_PCAP_READER_H
#define QE_SIM_PCAP_READER_H

#include "base/bytes.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define SIM_PCAP_ERROR_SIZE 512
// Larger records are damage: no capture program writes them (libpcap's MAXIMUM_SNAPLEN).
#define SIM_PCAP_RECORD_MAX 262144

struct sim_pcap_reader;

struct sim_pcap_packet {
    uint64_t record;     // of the capture, from 1
    uint64_t time_ns;    // unix time, as captured; may go back
    struct qe_span ip;   // the IP packet without padding; borrowed until the next call
    uint32_t total_size; // bytes that the IP packet had; more than ip.size where the capture cut it short
};

enum sim_pcap_result {
    SIM_PCAP_PACKET,
    SIM_PCAP_END,
    SIM_PCAP_DAMAGED, // sim_pcap_error says how
};

// Whether a file that begins with these bytes says that it is a capture.
bool sim_pcap_recognizes(const uint8_t magic[4]);
// NULL where the file cannot be read or is no capture: `error` then has one line with the file's name.
struct sim_pcap_reader *sim_pcap_open(const char *file, char error[SIM_PCAP_ERROR_SIZE]);
// The same of a stream, which it takes, whatever the result. `file` is what messages call it.
struct sim_pcap_reader *sim_pcap_read(FILE *in, const char *file, char error[SIM_PCAP_ERROR_SIZE]);
void sim_pcap_close(struct sim_pcap_reader *reader); // NULL is fine

// The next IP packet. After END or DAMAGED the answer stays.
enum sim_pcap_result sim_pcap_next(struct sim_pcap_reader *reader, struct sim_pcap_packet *packet);
// One line, "FILE: record N: what is wrong; what is expected"; "" while nothing is.
const char *sim_pcap_error(const struct sim_pcap_reader *reader);
// Records that held no IP packet, so far.
uint64_t sim_pcap_passed_over(const struct sim_pcap_reader *reader);

#endif
