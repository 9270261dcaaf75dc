#include "look/filter.h"

#include "observe/carried.h"
#include "scenario/units.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void sim_filter_init(struct sim_filter *filter)
{
    *filter = (struct sim_filter){.before_ns = UINT64_MAX, .wants = UINT64_MAX};
}

static bool refuse(char *error, const char *format, ...) __attribute__((format(printf, 2, 3)));
static bool refuse(char *error, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(error, SIM_FILTER_ERROR_SIZE, format, args);
    va_end(args);
    return false;
}

static bool fits(const char *pattern, const char *name)
{
    size_t size = strlen(pattern);
    if (size && pattern[size - 1] == '*') return strncmp(pattern, name, size - 1) == 0;
    return strcmp(pattern, name) == 0;
}

static bool fits_any(const struct sim_filter_names *names, const char *name)
{
    for (size_t i = 0; i < names->count; i++)
        if (fits(names->values[i], name)) return true;
    return names->count == 0;
}

// What the event is called in a trace: a node's crash is a stop of another name.
static const char *event_name(enum sim_trace_event event, bool ok)
{
    return event == SIM_TRACE_STOP && ok ? "crash" : sim_trace_event_name(event);
}

static bool add_name(struct sim_filter_names *names, const char *key, const char *value, char *error)
{
    if (names->count == SIM_FILTER_VALUES_MAX) return refuse(error, "at most 16 of %s", key);
    if (!*value || strlen(value) >= sizeof(names->values[0])) return refuse(error, "%s wants a name", key);
    strcpy(names->values[names->count++], value);
    return true;
}

static bool add_event(struct sim_filter *filter, const char *value, char *error)
{
    uint64_t wants = 0;
    for (int i = 0; i < SIM_TRACE_KEYLOG; i++) {
        const char *name = sim_trace_event_name((enum sim_trace_event)i);
        if (name && (fits(value, name) || (i == SIM_TRACE_STOP && fits(value, "crash")))) wants |= SIM_TRACE_BIT(i);
    }
    if (!wants) return refuse(error, "there is no event %s; docs/traces.md lists them", value);
    filter->wants = (filter->events.count ? filter->wants : 0) | wants;
    return add_name(&filter->events, "event", value, error);
}

static bool add_class(struct sim_filter *filter, const char *value, char *error)
{
    enum qe_carried which;
    if (!qe_carried_find(value, &which))
        return refuse(error, "nothing of class %s is carried; docs/protocol.md lists the classes", value);
    filter->carries |= UINT64_C(1) << which;
    return true;
}

static bool add_packet(struct sim_filter *filter, const char *value, char *error)
{
    char *end;
    if (*value < '0' || *value > '9') return refuse(error, "packet wants a datagram's number, not %s", value);
    uint64_t number = strtoull(value, &end, 10);
    if (*end) return refuse(error, "packet wants a datagram's number, not %s", value);
    if (filter->packet_count == SIM_FILTER_VALUES_MAX) return refuse(error, "at most 16 of packet");
    filter->packets[filter->packet_count++] = number;
    return true;
}

static bool add(struct sim_filter *filter, const char *key, const char *value, char *error)
{
    if (strcmp(key, "host") == 0) return add_name(&filter->hosts, key, value, error);
    if (strcmp(key, "name") == 0) return add_name(&filter->names, key, value, error);
    if (strcmp(key, "event") == 0) return add_event(filter, value, error);
    if (strcmp(key, "carries") == 0) return add_class(filter, value, error);
    if (strcmp(key, "packet") == 0) return add_packet(filter, value, error);
    if (strcmp(key, "after") == 0 || strcmp(key, "before") == 0) {
        uint64_t *to = *key == 'a' ? &filter->after_ns : &filter->before_ns;
        return sim_duration_parse(value, to) || refuse(error, "%s wants a duration such as 10s, not %s", key, value);
    }
    return refuse(error, "unknown key %s; there are host, event, name, carries, packet, after and before", key);
}

bool sim_filter_parse(struct sim_filter *filter, const char *text, char error[SIM_FILTER_ERROR_SIZE])
{
    char copy[1024];
    if (strlen(text) >= sizeof(copy)) return refuse(error, "longer than %zu bytes", sizeof(copy) - 1);
    strcpy(copy, text);
    filter->given = true;
    for (char *at = copy; at;) {
        char *next = strchr(at, ','), *value = NULL;
        if (next) *next++ = '\0';
        value = strchr(at, '=');
        if (!value) return refuse(error, "KEY=VALUE is wanted, not '%s'", at);
        *value++ = '\0';
        if (!add(filter, at, value, error)) return false;
        at = next;
    }
    return true;
}

bool sim_filter_match(const struct sim_filter *filter, uint64_t now_ns, const struct sim_trace_item *item)
{
    if (!filter->given) return true;
    if (now_ns < filter->after_ns || now_ns >= filter->before_ns) return false;
    if (filter->hosts.count && !fits_any(&filter->hosts, item->who.name)) return false;
    if (filter->events.count && !fits_any(&filter->events, event_name(item->event, item->ok))) return false;
    if (filter->names.count && !(item->name && fits_any(&filter->names, item->name))) return false;
    if (filter->carries && !(item->packet && item->packet->carried & filter->carries)) return false;
    bool found = filter->packet_count == 0;
    for (size_t i = 0; i < filter->packet_count && !found; i++)
        found = item->packet && item->packet->number == filter->packets[i];
    return found;
}
