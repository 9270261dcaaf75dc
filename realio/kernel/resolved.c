// systemd's own library speaks D-Bus. It is loaded when it is needed: where systemd-resolved runs, it is there.
#include "resolved.h"

#include "child.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <systemd/sd-bus.h>

// For all calls together, and for each.
#define LIMIT_S     8
#define CALL_US     (3 * UINT64_C(1000000))
#define EXIT_ABSENT 2

static const char name[] = "org.freedesktop.resolve1", path[] = "/org/freedesktop/resolve1",
                  interface[] = "org.freedesktop.resolve1.Manager";

struct library {
    __typeof__(&sd_bus_open_system) open;
    __typeof__(&sd_bus_message_new_method_call) make;
    __typeof__(&sd_bus_message_append) append;
    __typeof__(&sd_bus_message_append_array) append_array;
    __typeof__(&sd_bus_message_open_container) enter;
    __typeof__(&sd_bus_message_close_container) leave;
    __typeof__(&sd_bus_call) call;
};

static void *find(void *handle, const char *symbol, bool *missing)
{
    void *found = dlsym(handle, symbol);
    *missing = *missing || !found;
    return found;
}

static int load(struct library *library)
{
    void *handle = dlopen("libsystemd.so.0", RTLD_NOW);
    bool missing = false;
    if (!handle) return -1;
    library->open = (__typeof__(library->open))find(handle, "sd_bus_open_system", &missing);
    library->make = (__typeof__(library->make))find(handle, "sd_bus_message_new_method_call", &missing);
    library->append = (__typeof__(library->append))find(handle, "sd_bus_message_append", &missing);
    library->append_array = (__typeof__(library->append_array))find(handle, "sd_bus_message_append_array", &missing);
    library->enter = (__typeof__(library->enter))find(handle, "sd_bus_message_open_container", &missing);
    library->leave = (__typeof__(library->leave))find(handle, "sd_bus_message_close_container", &missing);
    library->call = (__typeof__(library->call))find(handle, "sd_bus_call", &missing);
    return missing ? -1 : 0;
}

struct wanted {
    int interface;
    const char *domain; // NULL: revert
    struct qe_addr server;
};

struct bus {
    struct library use;
    sd_bus *bus;
    char *text;
    size_t room;
};

static int refuse(struct bus *bus, const char *method, const char *why, const char *error_name)
{
    static const char *const absent[] = {"org.freedesktop.DBus.Error.ServiceUnknown",
        "org.freedesktop.DBus.Error.NameHasNoOwner", "org.freedesktop.DBus.Error.FileNotFound",
        "org.freedesktop.systemd1.NoSuchUnit", "org.freedesktop.systemd1.UnitMasked"};
    for (size_t i = 0; i < sizeof absent / sizeof absent[0]; i++) {
        if (!error_name || strcmp(error_name, absent[i]) != 0) continue;
        snprintf(bus->text, bus->room, "systemd-resolved does not run");
        return EXIT_ABSENT;
    }
    snprintf(bus->text, bus->room, "systemd-resolved refuses %s: %s", method, why);
    return 1;
}

static int call(struct bus *bus, const char *method, sd_bus_message *message)
{
    sd_bus_error error = SD_BUS_ERROR_NULL;
    int result = bus->use.call(bus->bus, message, CALL_US, &error, NULL);
    if (result >= 0) return 0;
    return refuse(bus, method, error.message ? error.message : strerror(-result), error.name);
}

static sd_bus_message *begin(struct bus *bus, const char *method, int link)
{
    sd_bus_message *message = NULL;
    if (bus->use.make(bus->bus, &message, name, path, interface, method) < 0) return NULL;
    return bus->use.append(message, "i", link) < 0 ? NULL : message;
}

static int set_server(struct bus *bus, const struct wanted *wanted)
{
    static const char method[] = "SetLinkDNSEx";
    const struct qe_addr *server = &wanted->server;
    sd_bus_message *m = begin(bus, method, wanted->interface);
    int family = server->ip.family == 4 ? AF_INET : AF_INET6;
    if (!m || bus->use.enter(m, 'a', "(iayqs)") < 0 || bus->use.enter(m, 'r', "iayqs") < 0 ||
        bus->use.append(m, "i", family) < 0 ||
        bus->use.append_array(m, 'y', server->ip.bytes, qe_ip_size(&server->ip)) < 0 ||
        bus->use.append(m, "qs", server->port, "") < 0 || bus->use.leave(m) < 0 || bus->use.leave(m) < 0)
        return refuse(bus, method, "no memory", NULL);
    return call(bus, method, m);
}

static int set_domain(struct bus *bus, const struct wanted *wanted)
{
    static const char method[] = "SetLinkDomains";
    sd_bus_message *m = begin(bus, method, wanted->interface);
    // Routing only: it is no search domain.
    if (!m || bus->use.append(m, "a(sb)", 1, wanted->domain, 1) < 0) return refuse(bus, method, "no memory", NULL);
    return call(bus, method, m);
}

static int work(const void *argument, char *text, size_t room)
{
    const struct wanted *wanted = argument;
    struct bus bus = {.text = text, .room = room};
    if (load(&bus.use)) {
        snprintf(text, room, "systemd-resolved is not installed");
        return EXIT_ABSENT;
    }
    int result = bus.use.open(&bus.bus);
    if (result < 0) {
        snprintf(text, room, "no D-Bus (%s)", strerror(-result));
        return EXIT_ABSENT;
    }
    if (!wanted->domain) {
        sd_bus_message *m = begin(&bus, "RevertLink", wanted->interface);
        return m ? call(&bus, "RevertLink", m) : 1;
    }
    if ((result = set_server(&bus, wanted)) != 0 || (result = set_domain(&bus, wanted)) != 0) return result;
    // What follows makes it better, but does not exist everywhere: never the server for other names; and nobody above
    // has signed the domain, so that checking would only fail.
    sd_bus_message *m = begin(&bus, "SetLinkDefaultRoute", wanted->interface);
    if (m && bus.use.append(m, "b", 0) >= 0) call(&bus, "SetLinkDefaultRoute", m);
    m = begin(&bus, "SetLinkDNSSEC", wanted->interface);
    if (m && bus.use.append(m, "s", "no") >= 0) call(&bus, "SetLinkDNSSEC", m);
    m = begin(&bus, "SetLinkDNSOverTLS", wanted->interface);
    if (m && bus.use.append(m, "s", "no") >= 0) call(&bus, "SetLinkDNSOverTLS", m);
    text[0] = '\0';
    return 0;
}

enum qe_result_code qe_resolved_set(
    struct qe_resolved *resolved, const char *domain, const struct qe_addr *server, char text[QE_KERNEL_TEXT_SIZE])
{
    char said[QE_KERNEL_TEXT_SIZE / 2], address[QE_ADDR_TEXT_SIZE];
    struct wanted wanted = {.interface = (int)resolved->interface, .domain = domain, .server = *server};
    text[0] = '\0';
    int result = qe_child_run(work, &wanted, LIMIT_S, said, sizeof said);
    // Half of it may be done.
    resolved->set = result != EXIT_ABSENT;
    if (result == 0) return QE_RESULT_OK;
    snprintf(text, QE_KERNEL_TEXT_SIZE, "%s; have another resolver ask %s", said, qe_addr_format(server, address));
    return result == EXIT_ABSENT ? QE_RESULT_UNAVAILABLE : QE_RESULT_REFUSED;
}

void qe_resolved_end(struct qe_resolved *resolved)
{
    char said[QE_KERNEL_TEXT_SIZE];
    struct wanted wanted = {.interface = (int)resolved->interface};
    if (resolved->set) qe_child_run(work, &wanted, LIMIT_S, said, sizeof said);
    resolved->set = false;
}
