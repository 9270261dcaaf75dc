// Writes pcapng files (draft-ietf-opsawg-pcapng): a section header, a block for each interface, packets with times in
// nanoseconds, and TLS secrets, so that whoever opens the file needs no other. Little-endian on every machine, so that
// the same run gives the same bytes.
#ifndef QE_SIM_PCAP_WRITER_H
#define QE_SIM_PCAP_WRITER_H

#include "look/out.h"

#define SIM_LINKTYPE_RAW 101 // IPv4 or IPv6, told apart by the version in the first byte

#define SIM_PCAP_PIECES 3

struct sim_pcap_writer {
    struct sim_out out;
    uint32_t interface_count;
};

enum sim_pcap_direction {
    SIM_PCAP_UNKNOWN,
    SIM_PCAP_INBOUND,
    SIM_PCAP_OUTBOUND,
};

struct sim_pcap_record {
    uint32_t interface; // as sim_pcap_add_interface said
    uint64_t time_ns;   // since 1970
    enum sim_pcap_direction direction;
    const char *comment; // or NULL
    struct qe_span pieces[SIM_PCAP_PIECES];
    size_t piece_count;
};

// Writes the header; `comment` says what the file is, `application` what wrote it. The file stays the caller's;
// sim_out_flush(&writer->out) at the end.
void sim_pcap_begin(struct sim_pcap_writer *writer, FILE *file, const char *application, const char *comment);
// Returns the interface's number. Interfaces may be added at any time, before their first packet.
uint32_t sim_pcap_add_interface(struct sim_pcap_writer *writer, const char *name, const char *description);
void sim_pcap_write(struct sim_pcap_writer *writer, const struct sim_pcap_record *packet);
// NSS key log lines; those that decrypt a packet must come before it.
void sim_pcap_write_secrets(struct sim_pcap_writer *writer, struct qe_span lines);

#endif
