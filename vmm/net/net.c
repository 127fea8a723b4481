// SPDX-License-Identifier: GPL-2.0-or-later
#include "net.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "../error.h"

int net_parse_mac(const char *text, uint8_t mac[NET_MAC], struct error *err)
{
	unsigned int i, b[NET_MAC];
	int end = 0;

	if (sscanf(text, "%2x:%2x:%2x:%2x:%2x:%2x%n", &b[0], &b[1], &b[2],
		   &b[3], &b[4], &b[5], &end) != NET_MAC ||
	    end != 3 * NET_MAC - 1 || text[end])
		return error_set(err, EINVAL,
				 "mac=%.32s must be as 52:54:00:12:34:56",
				 text);
	if (b[0] & 1)
		return error_set(err, EINVAL,
				 "mac=%.32s is of a group, not of a card",
				 text);
	for (i = 0; i < NET_MAC; i++)
		mac[i] = (uint8_t)b[i];
	return 0;
}

int net_new(struct net_backend **out, size_t size, const struct net_ops *ops,
	    unsigned int nr_ports, struct error *err)
{
	struct net_backend *backend = calloc(1, size);
	unsigned int i;

	if (backend)
		backend->ports = calloc(nr_ports, sizeof(*backend->ports));
	if (!backend || !backend->ports) {
		free(backend);
		return error_sys(err, ENOMEM, "cannot make a network card");
	}
	backend->ops = ops;
	backend->nr_ports = nr_ports;
	for (i = 0; i < nr_ports; i++) {
		backend->ports[i].backend = backend;
		backend->ports[i].fd = -1;
	}
	*out = backend;
	return 0;
}

int net_check(const struct net_config *cfg, struct error *err)
{
	bool tap = cfg->kind == NET_TAP, user = cfg->kind == NET_USER;
	bool vhost = cfg->kind == NET_VHOST_USER;
	bool path = cfg->kind == NET_LINK || cfg->kind == NET_PASST || vhost;
	uint8_t mac[NET_MAC];

	if (!tap && (cfg->name || cfg->has_fd))
		return error_set(err, EINVAL, "name and fd are of tap only");
	if (cfg->name && cfg->has_fd)
		return error_set(err, EINVAL,
				 "tap has a name or an fd, not both");
	if (cfg->queues > 1 && !vhost && (!tap || cfg->has_fd))
		return error_set(err, EINVAL,
				 "queues=%u: only tap by name and vhost-user "
				 "have more than one",
				 cfg->queues);
	if (cfg->vhost == VHOST_ON && !tap)
		return error_set(err, EINVAL, "vhost=on is of tap only");
	if ((vhost || cfg->vhost == VHOST_ON) && (cfg->iops || cfg->bps))
		return error_set(err, EINVAL,
				 "iops and bps are not known to who serves the "
				 "queues with vhost");
	if (path && !cfg->path)
		return error_set(err, EINVAL, "path is missing");
	if (!path && cfg->path)
		return error_set(err, EINVAL,
				 "path is of link, passt and vhost-user only");
	if (!user && (cfg->hostfwd || cfg->subnet || cfg->isolated))
		return error_set(err, EINVAL,
				 "hostfwd, subnet and isolated are of user only");
	return cfg->mac ? net_parse_mac(cfg->mac, mac, err) : 0;
}

int net_open(struct net_backend **backend, const struct net_config *cfg,
	     const char *id, unsigned int nr_ports, struct error *err)
{
	int rc;

	switch (cfg->kind) {
	case NET_TAP:
		rc = tap_open(backend, cfg, nr_ports, err);
		break;
	case NET_LINK:
	case NET_PASST:
		rc = stream_open(backend, cfg, cfg->kind == NET_LINK, err);
		break;
	default:
		rc = user_open(backend, cfg, err);
	}
	if (rc)
		error_prefix(err, "network card %s", id);
	return rc;
}

void net_close(struct net_backend *backend)
{
	backend->ops->close(backend);
	free(backend->ports);
	free(backend);
}
