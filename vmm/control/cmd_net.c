// SPDX-License-Identifier: GPL-2.0-or-later
/* Network cards. */
#include <stdio.h>
#include <string.h>

#include "../config.h"
#include "../virtio/virtio_devices.h"
#include "commands.h"
#include "server.h"

static json_t *mac_text(const uint8_t mac[6])
{
	return json_sprintf("%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1],
			    mac[2], mac[3], mac[4], mac[5]);
}

static json_t *mac_table(const uint8_t macs[][6], unsigned int nr)
{
	json_t *list = json_array();
	unsigned int i;

	for (i = 0; i < nr; i++)
		json_array_append_new(list, mac_text(macs[i]));
	return list;
}

static json_t *vlan_table(const struct net_status *st)
{
	json_t *list = json_array();
	unsigned int i;

	for (i = 0; i < 8 * sizeof(st->vlans); i++)
		if (st->vlans[i / 8] & 1U << i % 8)
			json_array_append_new(list, json_integer(i));
	return list;
}

/* RxState */
static const char *rx_state(bool none, bool all)
{
	return none ? "none" : all ? "all" : "normal";
}

static json_t *rx_filter(const struct device *dev)
{
	struct net_status st;
	json_t *vlans;

	virtio_net_status(dev, &st);
	vlans = vlan_table(&st);
	return json_pack("{s:s,s:b,s:s,s:s,s:s,s:b,s:b,s:b,s:o,s:o,s:o,s:o}",
			 "name", dev->id, "promiscuous", st.promisc,
			 "multicast", rx_state(st.nomulti, st.allmulti),
			 "unicast", rx_state(st.nouni, st.alluni), "vlan",
			 rx_state(st.tagged && !json_array_size(vlans),
				  !st.tagged),
			 "broadcast-allowed", !st.nobcast, "multicast-overflow",
			 st.multi_overflow, "unicast-overflow", st.uni_overflow,
			 "main-mac", mac_text(st.main_mac), "vlan-table", vlans,
			 "unicast-table", mac_table(st.macs, st.nr_uni),
			 "multicast-table",
			 mac_table(st.macs + st.nr_uni, st.nr_multi));
}

static struct device *next_nic(struct device *dev)
{
	while (dev && dev->class != &virtio_net_class)
		dev = dev->next;
	return dev;
}

static struct device *nic_named(struct qmp_call *call, const char *name)
{
	struct device *dev = next_nic(call->control->vm->devices);

	while (dev && strcmp(dev->id, name) != 0)
		dev = next_nic(dev->next);
	return dev;
}

json_t *cmd_query_rx_filter(struct qmp_call *call, json_t *args)
{
	const char *name = json_string_value(json_object_get(args, "name"));
	json_t *list;
	struct device *dev;

	if (name && !nic_named(call, name))
		return qmp_fail(call, "GenericError",
				"invalid net client name: %.64s", name);
	list = json_array();
	for (dev = next_nic(call->control->vm->devices); dev;
	     dev = next_nic(dev->next))
		if (!name || !strcmp(dev->id, name))
			json_array_append_new(list, rx_filter(dev));
	return list;
}

json_t *cmd_set_link(struct qmp_call *call, json_t *args)
{
	const char *name = json_string_value(json_object_get(args, "name"));
	struct device *dev = nic_named(call, name);

	if (!dev)
		return qmp_fail(call, "DeviceNotFound",
				"Device '%.64s' not found", name);
	virtio_net_set_link(dev, json_is_true(json_object_get(args, "up")));
	return json_object();
}

/* Once, and at once: how often and when is the guest's business. */
json_t *cmd_announce_self(struct qmp_call *call, json_t *args)
{
	json_t *names = json_object_get(args, "interfaces"), *name;
	struct device *dev;
	size_t i;

	for (dev = next_nic(call->control->vm->devices); dev;
	     dev = next_nic(dev->next)) {
		json_array_foreach(names, i, name) {
			if (!strcmp(json_string_value(name), dev->id))
				break;
		}
		if (!names || i < json_array_size(names))
			virtio_net_announce(dev);
	}
	return json_object();
}

static json_t *counts(const struct net_count *c)
{
	return json_pack("{s:I,s:I,s:I,s:I,s:I}", "frames",
			 (json_int_t)c->frames, "bytes", (json_int_t)c->bytes,
			 "unwanted", (json_int_t)c->unwanted, "dropped",
			 (json_int_t)c->dropped, "invalid",
			 (json_int_t)c->invalid);
}

/* The words of options_table.c, in the order of enum net_kind. */
static const char *const kinds[] = { "user", "tap", "link", "passt" };

json_t *cmd_query_net(struct qmp_call *call, json_t *args)
{
	json_t *list = json_array(), *queues;
	struct net_count received, sent;
	struct net_status st;
	struct device *dev;
	unsigned int i;

	(void)args;
	for (dev = next_nic(call->control->vm->devices); dev;
	     dev = next_nic(dev->next)) {
		virtio_net_status(dev, &st);
		queues = json_array();
		for (i = 0; i < st.nr_pairs; i++) {
			virtio_net_counts(dev, i, &received, &sent);
			json_array_append_new(queues,
					      json_pack("{s:o,s:o}", "received",
							counts(&received),
							"sent", counts(&sent)));
		}
		json_array_append_new(list,
				      json_pack("{s:s,s:s,s:o,s:b,s:b,s:i,s:o}",
						"name", dev->id, "backend",
						kinds[st.config->kind], "mac",
						mac_text(st.mac), "link-up",
						st.link_up, "peer", st.carrier,
						"active-queues",
						(int)st.nr_active, "queues",
						queues));
	}
	return list;
}
