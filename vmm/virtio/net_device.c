// SPDX-License-Identifier: GPL-2.0-or-later
/* A network card: its backend, its threads, and what others see of it. */
#include <errno.h>
#include <fcntl.h>
#include <linux/virtio_ids.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <unistd.h>

#include "../error.h"
#include "../iothread.h"
#include "../state.h"
#include "../vm.h"
#include "net.h"

#define BIT64(n) (1ULL << (n))
#define LANE_SLACK_NS 1000UL
#define GUEST_FEATURES                                                     \
	(BIT64(VIRTIO_NET_F_GUEST_CSUM) | BIT64(VIRTIO_NET_F_GUEST_TSO4) | \
	 BIT64(VIRTIO_NET_F_GUEST_TSO6) | BIT64(VIRTIO_NET_F_GUEST_ECN) |  \
	 BIT64(VIRTIO_NET_F_GUEST_UFO))

/* ---- queues ------------------------------------------------------------------- */

/* A driver that knows of one pair has it right after that (5.1.2). */
static unsigned int control_index(const struct virtio_nic *nic)
{
	return virtio_has(&nic->vpci.vdev, VIRTIO_NET_F_MQ) ?
		       2 * nic->nr_pairs :
		       2;
}

struct net_pair *net_pair_of(struct virtio_nic *nic, unsigned int index)
{
	if (index >= control_index(nic))
		return NULL;
	return &nic->pairs[index / 2];
}

void net_begin(struct virtio_nic *nic)
{
	struct net_backend *backend = nic->backend;
	unsigned int i;

	nic->begun = true;
	if (backend->ops->offload &&
	    backend->ops->offload(backend, nic->vpci.vdev.driver_features &
						   GUEST_FEATURES &
						   nic->offloads))
		log_guest(&nic->io_log, nic->vpci.pci.dev.id,
			  "the backend refuses the driver's offloads");
	for (i = 1; i < nic->nr_pairs; i++)
		backend->ops->enable(&backend->ports[i], i < nic->nr_active);
}

static bool nic_serve(struct virtio_dev *vdev, unsigned int index)
{
	struct virtio_nic *nic = nic_of_vdev(vdev);
	struct net_pair *pair = net_pair_of(nic, index);

	if (index == control_index(nic))
		return net_serve_control(nic, &vdev->queues[index]);
	if (!pair)
		return false;
	if (!index && !nic->begun)
		net_begin(nic);
	return index % 2 ? net_serve_tx(pair) : net_serve_rx(pair);
}

static void nic_quiesce(struct virtio_dev *vdev, unsigned int index)
{
	struct net_pair *pair = net_pair_of(nic_of_vdev(vdev), index);

	if (pair)
		net_quiesce(pair, index % 2);
}

static void nic_reset_queue(struct virtio_dev *vdev, unsigned int index)
{
	struct net_pair *pair = net_pair_of(nic_of_vdev(vdev), index);

	if (pair)
		net_drop(pair, index % 2);
}

static void nic_reset(struct virtio_dev *vdev)
{
	struct virtio_nic *nic = nic_of_vdev(vdev);
	struct net_pair *pair;

	for (pair = nic->pairs; pair < nic->pairs + nic->nr_pairs; pair++) {
		net_drop(pair, false);
		net_drop(pair, true);
	}
	__atomic_store_n(&nic->nr_active, 1, __ATOMIC_RELEASE);
	__atomic_store_n(&nic->mac_written, false, __ATOMIC_RELAXED);
	nic->begun = false;
	nic->offloads = NET_OFFLOADS_ALL;
	pthread_mutex_lock(&vdev->dev->lock);
	memcpy(nic->config.mac, nic->mac, NET_MAC);
	nic->config.status &= (uint16_t)~VIRTIO_NET_S_ANNOUNCE;
	pthread_mutex_unlock(&vdev->dev->lock);
	net_filter_init(nic);
	net_filter_publish(nic);
}

/* A driver of before virtio 1.0 writes its address here. */
static void nic_config_write(struct virtio_dev *vdev, uint64_t off,
			     unsigned int size, uint64_t val)
{
	struct virtio_nic *nic = nic_of_vdev(vdev);

	if (virtio_has(vdev, VIRTIO_F_VERSION_1) ||
	    virtio_has(vdev, VIRTIO_NET_F_CTRL_MAC_ADDR))
		return;
	for (; size && off < NET_MAC; size--, off++, val >>= 8)
		nic->config.mac[off] = (uint8_t)val;
	__atomic_store_n(&nic->mac_written, true, __ATOMIC_RELAXED);
}

const struct virtio_class nic_virtio_class = {
	.id = VIRTIO_ID_NET,
	.nr_queues = 3,
	.queue_size = NET_QUEUE_SIZE,
	.pci_class = 0x020000, /* Ethernet controller */
	.in_order = true,
	.replays = true,
	.serve = nic_serve,
	.quiesce = nic_quiesce,
	.attach = net_vhost_attach,
	.detach = net_vhost_detach,
	.reset_queue = nic_reset_queue,
	.reset = nic_reset,
	.config_write = nic_config_write,
};

void net_activate(struct virtio_nic *nic, unsigned int nr)
{
	struct net_backend *backend = nic->backend;
	struct virtio_dev *vdev = &nic->vpci.vdev;
	unsigned int i;

	for (i = 1; i < nic->nr_pairs; i++)
		if (backend->ops->enable(&backend->ports[i], i < nr))
			log_guest(&nic->io_log, vdev->dev->id,
				  "cannot switch queue %u of the backend", i);
	__atomic_store_n(&nic->nr_active, nr, __ATOMIC_RELEASE);
	for (i = 0; i < nic->nr_pairs; i++)
		virtio_serve_later(vdev, 2 * i);
	if (nic->vhost.nr)
		virtio_rewire_all(vdev);
}

/* ---- the link ------------------------------------------------------------------- */

/* [lock] */
static void link_changed(struct virtio_nic *nic)
{
	bool up = nic->admin_up && nic->carrier;

	if (up == nic->link_up)
		return;
	__atomic_store_n(&nic->link_up, up, __ATOMIC_RELEASE);
	if (up)
		nic->config.status |= VIRTIO_NET_S_LINK_UP;
	else
		nic->config.status &= (uint16_t)~VIRTIO_NET_S_LINK_UP;
	virtio_config_changed(&nic->vpci.vdev);
	if (nic->vhost.nr)
		virtio_rewire_all(&nic->vpci.vdev);
}

void net_set_carrier(struct virtio_nic *nic, bool carrier)
{
	struct device *dev = &nic->vpci.pci.dev;

	log_info(dev->id, carrier ? "somebody is at the other end" :
				    "nobody is at the other end");
	pthread_mutex_lock(&dev->lock);
	__atomic_store_n(&nic->carrier, carrier, __ATOMIC_RELAXED);
	link_changed(nic);
	pthread_mutex_unlock(&dev->lock);
}

void virtio_net_set_link(struct device *dev, bool up)
{
	struct virtio_nic *nic = nic_of_dev(dev);

	pthread_mutex_lock(&dev->lock);
	nic->admin_up = up;
	link_changed(nic);
	pthread_mutex_unlock(&dev->lock);
}

bool virtio_net_announce(struct device *dev)
{
	struct virtio_nic *nic = nic_of_dev(dev);
	bool can;

	pthread_mutex_lock(&dev->lock);
	can = nic->vpci.vdev.phase == VIRTIO_LIVE && nic->link_up &&
	      virtio_has(&nic->vpci.vdev, VIRTIO_NET_F_GUEST_ANNOUNCE);
	if (can) {
		nic->config.status |= VIRTIO_NET_S_ANNOUNCE;
		virtio_config_changed(&nic->vpci.vdev);
	}
	pthread_mutex_unlock(&dev->lock);
	return can;
}

/* ---- lanes ---------------------------------------------------------------------- */

static int lane_make(struct net_lane *lane, struct error *err)
{
	struct virtio_nic *nic = lane->nic;
	struct device *dev = &nic->vpci.pci.dev;
	struct iothread_options opt = {
		.cpus = nic->cfg->cpus,
		.kind = SANDBOX_NET,
	};
	char name[IOTHREAD_NAME + 32];
	int rc;

	pthread_mutex_init(&lane->lock, NULL);
	lane->loop = dev->vm->loop;
	if (!nic->cfg->iothreads)
		return 0;
	if (nic->nr_lanes > 1)
		snprintf(name, sizeof(name), "io-%s-%u", dev->id, lane->index);
	else
		snprintf(name, sizeof(name), "io-%s", dev->id);
	rc = iothread_new(&lane->iothread, dev->vm, name, &opt, err);
	if (!rc)
		lane->loop = lane->iothread->loop;
	return rc;
}

/* Its timers are to be as good as those of the kernel (see struct net_look). */
static int lane_prepare(void *opaque, struct error *err)
{
	(void)opaque;
	if (prctl(PR_SET_TIMERSLACK, LANE_SLACK_NS, 0, 0, 0))
		return error_sys(err, errno, "cannot set a thread's timers");
	return 0;
}

static int nic_begin(struct device *dev, struct error *err)
{
	struct virtio_nic *nic = nic_of_dev(dev);
	struct net_lane *lane;
	int rc = 0;

	for (lane = nic->lanes; lane < nic->lanes + nic->nr_lanes && !rc;
	     lane++)
		if (lane->iothread)
			rc = iothread_start(lane->iothread, lane_prepare, lane,
					    err);
	return rc;
}

static void lanes_end(struct virtio_nic *nic)
{
	unsigned int i;

	for (i = 0; i < nic->nr_lanes; i++)
		if (nic->lanes[i].iothread)
			iothread_end(nic->lanes[i].iothread);
}

/* Nobody runs their loops any more. */
static void lanes_free(struct virtio_nic *nic)
{
	unsigned int i;

	for (i = 0; i < nic->nr_lanes; i++) {
		pthread_mutex_destroy(&nic->lanes[i].lock);
		if (nic->lanes[i].iothread)
			iothread_free(nic->lanes[i].iothread);
	}
	free(nic->lanes);
}

static int lanes_make(struct virtio_nic *nic, struct error *err)
{
	unsigned int i, n = nic->cfg->iothreads;
	int rc = 0;

	if (n > nic->nr_pairs)
		n = nic->nr_pairs;
	if (!n)
		n = 1;
	nic->lanes = calloc(n, sizeof(*nic->lanes));
	if (!nic->lanes)
		return error_sys(err, ENOMEM, "cannot make %s",
				 nic->vpci.pci.dev.id);
	nic->nr_lanes = n;
	for (i = 0; i < n && !rc; i++) {
		nic->lanes[i].nic = nic;
		nic->lanes[i].index = i;
		rc = lane_make(&nic->lanes[i], err);
	}
	if (!rc)
		return 0;
	nic->nr_lanes = i;
	lanes_end(nic);
	lanes_free(nic);
	return rc;
}

/* ---- life ------------------------------------------------------------------------ */

static uint64_t hash(uint64_t h, const char *text)
{
	for (; *text; text++)
		h = (h ^ (uint8_t)*text) * 0x100000001b3ULL;
	return h;
}

static void random_mac(uint8_t mac[NET_MAC])
{
	if (getrandom(mac, NET_MAC, 0) != NET_MAC)
		memset(mac, 0x5e, NET_MAC);
	mac[0] = 0x02;
}

/*
 * The same for the same machine whenever it runs, and probably nobody else's: an
 * address that is administered locally.
 */
static void default_mac(struct virtio_nic *nic)
{
	const struct device *dev = &nic->vpci.pci.dev;
	const char *name = dev->vm->cfg->name;
	char host[64] = "";
	unsigned int i;
	uint64_t h;
	int fd;

	/* Nobody remembers it, and a machine that runs opens no files. */
	if (dev->plugged) {
		random_mac(nic->mac);
		return;
	}
	fd = open("/etc/machine-id", O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		if (read(fd, host, sizeof(host) - 1) < 0)
			*host = '\0';
		close(fd);
	}
	h = hash(hash(hash(0xcbf29ce484222325ULL, host), name ? name : "vm"),
		 dev->id);
	nic->mac[0] = 0x02;
	for (i = 1; i < NET_MAC; i++, h >>= 8)
		nic->mac[i] = (uint8_t)h;
}

static int config_init(struct virtio_nic *nic, struct error *err)
{
	const struct net_config *cfg = nic->cfg;
	struct virtio_dev *vdev = &nic->vpci.vdev;
	struct virtio_net_config *c = &nic->config;
	int rc = 0;

	if (cfg->mac)
		rc = net_parse_mac(cfg->mac, nic->mac, err);
	else
		default_mac(nic);
	if (rc)
		return rc;
	memcpy(c->mac, nic->mac, NET_MAC);
	c->max_virtqueue_pairs = (uint16_t)nic->nr_pairs;
	c->mtu = (uint16_t)cfg->mtu;
	vdev->features =
		nic->backend->offloads | BIT64(VIRTIO_NET_F_MAC) |
		BIT64(VIRTIO_NET_F_STATUS) | BIT64(VIRTIO_NET_F_MRG_RXBUF) |
		BIT64(VIRTIO_NET_F_CTRL_VQ) | BIT64(VIRTIO_NET_F_CTRL_RX) |
		BIT64(VIRTIO_NET_F_CTRL_RX_EXTRA) |
		BIT64(VIRTIO_NET_F_CTRL_VLAN) |
		BIT64(VIRTIO_NET_F_CTRL_MAC_ADDR) |
		BIT64(VIRTIO_NET_F_GUEST_ANNOUNCE);
	if (cfg->mtu)
		vdev->features |= BIT64(VIRTIO_NET_F_MTU);
	if (nic->nr_pairs > 1)
		vdev->features |= BIT64(VIRTIO_NET_F_MQ);
	if (nic->backend->ops->offload)
		vdev->features |= BIT64(VIRTIO_NET_F_CTRL_GUEST_OFFLOADS);
	vdev->config = c;
	/* The fields that some feature here gives a meaning. */
	vdev->config_len = offsetof(struct virtio_net_config, mtu) + 2;
	vdev->nr_queues = (uint16_t)(2 * nic->nr_pairs + 1);
	nic->admin_up = true;
	nic->carrier = nic->backend->ports->up;
	nic->link_up = nic->carrier;
	if (nic->link_up)
		c->status = VIRTIO_NET_S_LINK_UP;
	return 0;
}

static void limits_init(struct virtio_nic *nic)
{
	const struct net_config *cfg = nic->cfg;
	struct throttle_limit limits[THROTTLE_KINDS] = {
		[THROTTLE_OPS] = { cfg->iops, cfg->iops_burst },
		[THROTTLE_BYTES] = { cfg->bps, cfg->bps_burst },
	};

	throttle_init(&nic->throttle);
	throttle_set(&nic->throttle, limits);
}

static void pair_init(struct net_pair *pair, struct virtio_nic *nic,
		      unsigned int index)
{
	struct virtio_queue *queues = nic->vpci.vdev.queues;

	pair->nic = nic;
	pair->lane = &nic->lanes[index % nic->nr_lanes];
	pair->port = &nic->backend->ports[index];
	pair->rxq = &queues[2 * index];
	pair->txq = &queues[2 * index + 1];
	pair->rxq->loop = pair->lane->loop;
	pair->txq->loop = pair->lane->loop;
	pair->watch.fd = pair->port->fd;
	pair->watch.fn = net_on_port;
	pair->watch.opaque = pair;
	pair->wait.fn = net_on_time;
	pair->wait.opaque = pair;
	pair->look.timer.fn = net_on_look;
	pair->look.timer.opaque = pair;
}

static int pairs_make(struct virtio_nic *nic, struct error *err)
{
	unsigned int i;

	nic->pairs = calloc(nic->nr_pairs, sizeof(*nic->pairs));
	if (!nic->pairs)
		return error_sys(err, ENOMEM, "cannot make %s",
				 nic->vpci.pci.dev.id);
	for (i = 0; i < nic->nr_pairs; i++)
		pair_init(&nic->pairs[i], nic, i);
	nic->vpci.vdev.queues[2 * nic->nr_pairs].loop = nic->lanes->loop;
	return 0;
}

static int nic_realize(struct device *dev, const void *config,
		       struct error *err)
{
	struct virtio_nic *nic = nic_of_dev(dev);
	int rc;

	nic->cfg = config;
	nic->nr_pairs = nic->cfg->queues ? nic->cfg->queues : 1;
	limits_init(nic);
	rc = nic->cfg->kind == NET_VHOST_USER ?
		     net_vhost_user_open(nic, err) :
		     net_open(&nic->backend, nic->cfg, dev->id, nic->nr_pairs,
			      err);
	if (rc)
		goto err_throttle;
	rc = net_vhost_open(nic, err);
	if (rc)
		goto err_backend;
	rc = config_init(nic, err);
	if (rc)
		goto err_vhost;
	rc = lanes_make(nic, err);
	if (rc)
		goto err_vhost;
	rc = virtio_pci_init(&nic->vpci, &nic_virtio_class, err);
	if (rc)
		goto err_lanes;
	rc = pairs_make(nic, err);
	if (rc)
		goto err_virtio;
	rc = net_vhost_init(nic);
	if (rc) {
		error_sys(err, ENOMEM, "cannot make %s", dev->id);
		goto err_pairs;
	}
	return 0;

err_pairs:
	free(nic->pairs);
err_virtio:
	virtio_pci_destroy(&nic->vpci);
err_lanes:
	lanes_end(nic);
	lanes_free(nic);
err_vhost:
	net_vhost_close(nic);
err_backend:
	net_close(nic->backend);
err_throttle:
	throttle_destroy(&nic->throttle);
	return rc;
}

static void nic_unrealize(struct device *dev)
{
	struct virtio_nic *nic = nic_of_dev(dev);
	struct net_pair *pair;

	lanes_end(nic);
	for (pair = nic->pairs; pair < nic->pairs + nic->nr_pairs; pair++) {
		loop_timer_cancel(pair->lane->loop, &pair->wait);
		loop_timer_cancel(pair->lane->loop, &pair->look.timer);
		loop_fd_del(pair->lane->loop, &pair->watch);
	}
	virtio_pci_destroy(&nic->vpci);
	net_vhost_close(nic);
	free(nic->pairs);
	lanes_free(nic);
	net_close(nic->backend);
	throttle_destroy(&nic->throttle);
}

/* ---- state ------------------------------------------------------------------------- */

static const struct state_field filter_fields[] = {
	{ STATE_BOOL(struct net_filter, promisc) },
	{ STATE_BOOL(struct net_filter, allmulti) },
	{ STATE_BOOL(struct net_filter, alluni) },
	{ STATE_BOOL(struct net_filter, nomulti) },
	{ STATE_BOOL(struct net_filter, nouni) },
	{ STATE_BOOL(struct net_filter, nobcast) },
	{ STATE_BOOL(struct net_filter, uni_overflow) },
	{ STATE_BOOL(struct net_filter, multi_overflow) },
	{ STATE_BYTES(struct net_filter, mac) },
	{ STATE_U(struct net_filter, nr_uni), .max = NET_TABLE },
	{ STATE_U(struct net_filter, nr_multi), .max = NET_TABLE },
	{ STATE_BYTES(struct net_filter, macs) },
	{ STATE_BYTES(struct net_filter, vlans) },
	{ 0 },
};

static const struct state_field nic_fields[] = {
	STATE_VIRTIO(struct virtio_nic),
	{ STATE_BYTES(struct virtio_nic, config.mac) },
	{ STATE_BOOL(struct virtio_nic, mac_written) },
	{ STATE_BOOL(struct virtio_nic, admin_up) },
	{ STATE_U(struct virtio_nic, nr_active) },
	{ STATE_U(struct virtio_nic, offloads) },
	{ STATE_PART(struct virtio_nic, filter, filter_fields) },
	{ 0 },
};

/* The backend learns the rest when the first queue is served: begin(). */
static int nic_loaded(void *obj, struct error *err)
{
	struct virtio_nic *nic = obj;
	struct device *dev = &nic->vpci.pci.dev;

	if (!nic->nr_active || nic->nr_active > nic->nr_pairs)
		return error_set(err, EINVAL, "nr_active: %u pairs, of %u",
				 nic->nr_active, nic->nr_pairs);
	if (nic->filter.nr_uni + nic->filter.nr_multi > NET_TABLE)
		return error_set(err, EINVAL, "filter: too many addresses");
	net_filter_publish(nic);
	pthread_mutex_lock(&dev->lock);
	link_changed(nic);
	pthread_mutex_unlock(&dev->lock);
	return virtio_pci_state_loaded(obj, err);
}

static const struct state_table nic_state = {
	.version = 1,
	.fields = nic_fields,
	.prepare = virtio_pci_state_prepare,
	.loaded = nic_loaded,
};

/* ---- what others see --------------------------------------------------------------- */

void virtio_net_status(const struct device *dev, struct net_status *status)
{
	struct virtio_nic *nic = nic_of_dev(dev);
	const struct net_filter *f = &nic->lanes->filter;

	*status = (struct net_status){
		.config = nic->cfg,
		.nr_pairs = nic->nr_pairs,
		.nr_active = __atomic_load_n(&nic->nr_active, __ATOMIC_ACQUIRE),
	};
	memcpy(status->mac, nic->mac, NET_MAC);
	status->link_up = __atomic_load_n(&nic->link_up, __ATOMIC_ACQUIRE);
	status->carrier = __atomic_load_n(&nic->carrier, __ATOMIC_RELAXED);
	pthread_mutex_lock(&nic->lanes->lock);
	memcpy(status->main_mac, f->mac, NET_MAC);
	status->promisc = f->promisc;
	status->allmulti = f->allmulti;
	status->alluni = f->alluni;
	status->nomulti = f->nomulti;
	status->nouni = f->nouni;
	status->nobcast = f->nobcast;
	status->tagged = virtio_has(&nic->vpci.vdev, VIRTIO_NET_F_CTRL_VLAN);
	status->uni_overflow = f->uni_overflow;
	status->multi_overflow = f->multi_overflow;
	status->nr_uni = f->nr_uni;
	status->nr_multi = f->nr_multi;
	memcpy(status->macs, f->macs, sizeof(f->macs));
	memcpy(status->vlans, f->vlans, sizeof(f->vlans));
	pthread_mutex_unlock(&nic->lanes->lock);
}

static void get_counts(const struct net_count *from, struct net_count *to)
{
	to->frames = __atomic_load_n(&from->frames, __ATOMIC_RELAXED);
	to->bytes = __atomic_load_n(&from->bytes, __ATOMIC_RELAXED);
	to->unwanted = __atomic_load_n(&from->unwanted, __ATOMIC_RELAXED);
	to->dropped = __atomic_load_n(&from->dropped, __ATOMIC_RELAXED);
	to->invalid = __atomic_load_n(&from->invalid, __ATOMIC_RELAXED);
}

void virtio_net_counts(const struct device *dev, unsigned int index,
		       struct net_count *received, struct net_count *sent)
{
	const struct net_pair *pair = &nic_of_dev(dev)->pairs[index];

	get_counts(&pair->counts[0], received);
	get_counts(&pair->counts[1], sent);
}

const struct dev_class virtio_net_class = {
	.name = "net",
	.size = sizeof(struct virtio_nic),
	.realize = nic_realize,
	.begin = nic_begin,
	.reset = virtio_pci_reset,
	.start = virtio_pci_start,
	.stop = virtio_pci_stop,
	.state = &nic_state,
	.unrealize = nic_unrealize,
};
