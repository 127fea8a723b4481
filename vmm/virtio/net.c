// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The frames of a virtio network card (virtio 1.2, 5.1.6).
 *
 * A round serves so many of a queue and tells the driver once.  A frame that
 * comes is put into chains out of a buffer of ours, as nobody knows its length
 * before; one that goes is taken by the port where it lies, but for its header,
 * which is copied and checked.
 */
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/virtio_ids.h>
#include <string.h>
#include <sys/epoll.h>

#include "../vm.h"
#include "net.h"

#define BIT64(n) (1ULL << (n))

/* How much later the loop looks (struct net_look), and what makes it worth it. */
#define LOOK_NS 150000
#define LOOK_WORTH 2
#define LOOK_SKIP_MAX 63

enum { RECEIVED, SENT };

/* Added to by one thread, and read by another. */
static void add(uint64_t *counter, uint64_t n)
{
	__atomic_store_n(counter, *counter + n, __ATOMIC_RELAXED);
}

static void count_frame(struct net_count *count, size_t len)
{
	add(&count->frames, 1);
	add(&count->bytes, len);
}

static bool link_up(const struct virtio_nic *nic)
{
	return __atomic_load_n(&nic->link_up, __ATOMIC_ACQUIRE);
}

/* Drivers of before virtio 1.0 know the last field only if they merge. */
static size_t header_len(const struct virtio_dev *vdev)
{
	if (virtio_has(vdev, VIRTIO_F_VERSION_1) ||
	    virtio_has(vdev, VIRTIO_NET_F_MRG_RXBUF))
		return sizeof(struct virtio_net_hdr_v1);
	return sizeof(struct virtio_net_hdr);
}

/* ---- the port ------------------------------------------------------------------ */

/* The backend may have another descriptor now, and the loop is to watch that. */
static void watch(struct net_pair *pair)
{
	struct loop *loop = pair->lane->loop;
	struct net_port *port = pair->port;
	uint32_t events = (pair->want_in ? EPOLLIN : 0) |
			  (pair->want_out || port->unsent ? EPOLLOUT : 0);

	if (pair->watch.fd != port->fd || !events)
		loop_fd_del(loop, &pair->watch);
	pair->watch.fd = port->fd;
	if (!events || port->fd < 0)
		return;
	if (pair->watch.added) {
		if (pair->watch.events != events)
			loop_fd_set(loop, &pair->watch, events);
		return;
	}
	pair->watch.events = events;
	if (loop_fd_add(loop, &pair->watch))
		log_guest(&pair->nic->io_log, pair->nic->vpci.pci.dev.id,
			  "cannot watch its backend");
}

/* Of the first port alone, as only TAP interfaces have more: they stay up. */
static void look_at_carrier(struct net_pair *pair)
{
	struct virtio_nic *nic = pair->nic;

	if (pair == nic->pairs &&
	    pair->port->up != __atomic_load_n(&nic->carrier, __ATOMIC_RELAXED))
		net_set_carrier(nic, pair->port->up);
}

/* 0, or how long to wait for the limits. */
static uint64_t ask(struct net_pair *pair, bool send, size_t len)
{
	struct throttle *t = &pair->nic->throttle;

	return throttle_on(t) ? throttle_ask(t, loop_now(), send, len) : 0;
}

/* One timer for both directions: the earlier of their times. */
static void wait_for(struct net_pair *pair, uint64_t ns)
{
	uint64_t at = loop_now() + ns;

	if (!pair->wait.deadline || at < pair->wait.deadline)
		loop_timer_arm(pair->lane->loop, &pair->wait, at);
}

/* ---- receiving ----------------------------------------------------------------- */

static bool in_table(const uint8_t macs[][NET_MAC], unsigned int nr,
		     const uint8_t *mac)
{
	unsigned int i;

	for (i = 0; i < nr; i++)
		if (!memcmp(macs[i], mac, NET_MAC))
			return true;
	return false;
}

static bool vlan_wanted(const struct net_filter *f, const uint8_t *frame,
			size_t len)
{
	unsigned int type = (unsigned int)frame[12] << 8 | frame[13], vlan;

	if (type != ETH_P_8021Q || len < NET_HEADER_TAGGED)
		return true;
	vlan = ((unsigned int)frame[14] << 8 | frame[15]) % NET_VLANS;
	return f->vlans[vlan / 8] & 1U << vlan % 8;
}

bool net_wanted(const struct virtio_nic *nic, const struct net_filter *f,
		const uint8_t *frame, size_t len)
{
	static const uint8_t all[NET_MAC] = {
		0xff, 0xff, 0xff, 0xff, 0xff, 0xff
	};

	if (f->promisc)
		return true;
	if (virtio_has(&nic->vpci.vdev, VIRTIO_NET_F_CTRL_VLAN) &&
	    !vlan_wanted(f, frame, len))
		return false;
	if (!memcmp(frame, all, NET_MAC))
		return !f->nobcast;
	if (frame[0] & 1)
		return !f->nomulti &&
		       (f->allmulti || f->multi_overflow ||
			in_table(f->macs + f->nr_uni, f->nr_multi, frame));
	return !f->nouni &&
	       (f->alluni || f->uni_overflow ||
		__atomic_load_n(&nic->mac_written, __ATOMIC_RELAXED) ||
		!memcmp(frame, f->mac, NET_MAC) ||
		in_table(f->macs, f->nr_uni, frame));
}

/* A frame into rx->packet: 1; 0 if none is to be had. */
static int rx_take(struct net_pair *pair)
{
	struct net_count *count = &pair->counts[RECEIVED];
	struct net_rx *rx = &pair->rx;
	ssize_t n = pair->nic->backend->ops->recv(pair->port, &rx->packet);

	look_at_carrier(pair);
	if (n == -EAGAIN || (n < 0 && !pair->port->up))
		return 0;
	if (n < NET_HEADER) {
		add(&count->invalid, 1);
	} else if (!link_up(pair->nic)) {
		add(&count->dropped, 1);
	} else if (!net_wanted(pair->nic, &pair->lane->filter, rx->packet.frame,
			       (size_t)n)) {
		add(&count->unwanted, 1);
	} else {
		rx->len = (size_t)n;
		rx->done = 0;
		/* The host may say that sums are right, but nobody asked. */
		if (!virtio_has(&pair->nic->vpci.vdev, VIRTIO_NET_F_GUEST_CSUM))
			rx->packet.hdr.flags = 0;
	}
	return 1;
}

/* The start of a frame, or the header again; how much of the chain it took. */
static size_t put_header(struct net_pair *pair, size_t hdr_len)
{
	struct net_rx *rx = &pair->rx;

	return iov_put(rx->first.iov + rx->first.nr_read, rx->first.nr_write,
		       &rx->packet.hdr, hdr_len);
}

/* Into the room of @chain after its first @skip bytes. */
static size_t put_frame(struct net_rx *rx, const struct ring_chain *chain,
			size_t skip)
{
	const struct iovec *iov = chain->iov + chain->nr_read;
	size_t done = 0, left = rx->len - rx->done, n;
	unsigned int i;

	for (i = 0; i < chain->nr_write && done < left; i++, iov++) {
		if (skip >= iov->iov_len) {
			skip -= iov->iov_len;
			continue;
		}
		n = iov->iov_len - skip;
		if (n > left - done)
			n = left - done;
		memcpy((char *)iov->iov_base + skip,
		       rx->packet.frame + rx->done + done, n);
		skip = 0;
		done += n;
	}
	rx->done += done;
	return done;
}

/* All chains of the frame at once, the header having the number of them. */
static void rx_push(struct net_pair *pair, size_t hdr_len, size_t first_len)
{
	struct net_rx *rx = &pair->rx;
	unsigned int i;

	rx->packet.hdr.num_buffers = (uint16_t)(1 + rx->nr_parts);
	put_header(pair, hdr_len);
	virtio_push(pair->rxq, &rx->first, (uint32_t)first_len);
	rx->next.nr_read = 0;
	rx->next.nr_write = 0; /* it was told when it was written */
	for (i = 0; i < rx->nr_parts; i++) {
		rx->next.head = rx->parts[i].head;
		rx->next.nr_desc = rx->parts[i].nr_desc;
		virtio_push(pair->rxq, &rx->next, rx->parts[i].len);
	}
	rx->have = false;
	rx->nr_parts = 0;
	count_frame(&pair->counts[RECEIVED], rx->len);
	rx->len = 0;
}

/* Into one more chain. */
static bool rx_part(struct net_pair *pair)
{
	struct virtio_queue *vq = pair->rxq;
	struct net_rx *rx = &pair->rx;
	struct net_part *part = &rx->parts[rx->nr_parts];
	const struct ring_chain *chain = &rx->next;
	unsigned int i;

	/* As many as there are, and still they are no room for a frame. */
	if (1 + rx->nr_parts >= vq->ring.at.num) {
		virtio_break(vq, "all receive buffers are less than a frame");
		return false;
	}
	if (!virtio_pop(vq, &rx->next))
		return false;
	part->head = chain->head;
	part->nr_desc = chain->nr_desc;
	part->len = (uint32_t)put_frame(rx, chain, 0);
	for (i = 0; i < chain->nr_write; i++)
		mem_written(vq->ring.mem,
			    chain->iov[chain->nr_read + i].iov_base,
			    chain->iov[chain->nr_read + i].iov_len);
	rx->nr_parts++;
	return true;
}

/* True when the frame at hand is done with, false if chains are missing. */
static bool rx_put(struct net_pair *pair)
{
	struct virtio_dev *vdev = &pair->nic->vpci.vdev;
	size_t hdr_len = header_len(vdev), room;
	struct net_rx *rx = &pair->rx;

	if (!rx->have) {
		rx->have = virtio_pop(pair->rxq, &rx->first);
		if (!rx->have)
			return false;
		if (rx->first.write_len < hdr_len) {
			virtio_break(pair->rxq, "receive buffer without room");
			return false;
		}
	}
	room = rx->first.write_len - hdr_len;
	if (!virtio_has(vdev, VIRTIO_NET_F_MRG_RXBUF) && room < rx->len) {
		add(&pair->counts[RECEIVED].dropped, 1);
		rx->len = 0;
		return true;
	}
	if (!rx->done) {
		put_header(pair, hdr_len);
		put_frame(rx, &rx->first, hdr_len);
	}
	while (rx->done < rx->len)
		if (!rx_part(pair))
			return false;
	rx_push(pair, hdr_len, hdr_len + (room < rx->len ? room : rx->len));
	return true;
}

/* One frame; false if that has to wait, for pair->want_in or something else. */
static bool rx_one(struct net_pair *pair)
{
	struct net_rx *rx = &pair->rx;
	uint64_t wait;

	if (!rx->len) {
		if (!rx_take(pair)) {
			pair->want_in = pair->port->fd >= 0;
			return false;
		}
		if (!rx->len)
			return true;
		wait = ask(pair, false, rx->len);
		if (wait) {
			pair->rx_waits = true;
			wait_for(pair, wait);
			return false;
		}
	} else if (pair->rx_waits) {
		return false;
	}
	return rx_put(pair);
}

bool net_serve_rx(struct net_pair *pair)
{
	unsigned int index = (unsigned int)(pair - pair->nic->pairs), n;

	pair->want_in = false;
	if (index >= __atomic_load_n(&pair->nic->nr_active, __ATOMIC_ACQUIRE)) {
		watch(pair);
		return false;
	}
	pthread_mutex_lock(&pair->lane->lock);
	for (n = 0; n < VIRTIO_BUDGET && rx_one(pair); n++)
		;
	pthread_mutex_unlock(&pair->lane->lock);
	watch(pair);
	virtio_signal(pair->rxq);
	return n == VIRTIO_BUDGET;
}

/* ---- sending ------------------------------------------------------------------- */

bool net_header_valid(uint64_t features, const struct virtio_net_hdr_v1 *hdr,
		      size_t len)
{
	bool sum = hdr->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM;
	unsigned int type = hdr->gso_type & ~VIRTIO_NET_HDR_GSO_ECN;
	unsigned int feature;

	if (sum && (!(features & BIT64(VIRTIO_NET_F_CSUM)) ||
		    (size_t)hdr->csum_start + hdr->csum_offset + 2 > len))
		return false;
	switch (type) {
	case VIRTIO_NET_HDR_GSO_NONE:
		return !(hdr->gso_type & VIRTIO_NET_HDR_GSO_ECN);
	case VIRTIO_NET_HDR_GSO_TCPV4:
		feature = VIRTIO_NET_F_HOST_TSO4;
		break;
	case VIRTIO_NET_HDR_GSO_TCPV6:
		feature = VIRTIO_NET_F_HOST_TSO6;
		break;
	case VIRTIO_NET_HDR_GSO_UDP:
		feature = VIRTIO_NET_F_HOST_UFO;
		break;
	default:
		return false;
	}
	if (hdr->gso_type & VIRTIO_NET_HDR_GSO_ECN &&
	    !(features & BIT64(VIRTIO_NET_F_HOST_ECN)))
		return false;
	return features & BIT64(feature) && sum && hdr->gso_size &&
	       hdr->hdr_len <= len;
}

static void tx_done(struct net_pair *pair)
{
	virtio_push(pair->txq, &pair->tx.chain, 0);
	pair->tx.have = false;
}

/* The header out of the chain, and where the frame is. */
static bool tx_parse(struct net_pair *pair)
{
	struct virtio_dev *vdev = &pair->nic->vpci.vdev;
	struct net_tx *tx = &pair->tx;
	size_t hdr_len = header_len(vdev);
	struct iovec *iov = tx->chain.iov;
	unsigned int nr = tx->chain.nr_read;

	if (tx->chain.read_len < hdr_len) {
		virtio_break(pair->txq, "frame without a header");
		return false;
	}
	memset(&tx->hdr, 0, sizeof(tx->hdr));
	iov_get(iov, nr, &tx->hdr, hdr_len);
	tx->hdr.num_buffers = 0;
	iov_trim_front(&iov, &nr, hdr_len);
	memcpy(tx->iov + 1, iov, nr * sizeof(*iov));
	tx->nr = nr;
	tx->len = tx->chain.read_len - hdr_len;
	tx->have = true;
	return true;
}

/* The frame at hand; false if it has to wait. */
static bool tx_one(struct net_pair *pair)
{
	struct virtio_nic *nic = pair->nic;
	struct net_count *count = &pair->counts[SENT];
	struct net_tx *tx = &pair->tx;
	int rc;

	if (tx->len < NET_HEADER || tx->len > NET_FRAME_MAX ||
	    !net_header_valid(nic->vpci.vdev.driver_features, &tx->hdr,
			      tx->len)) {
		add(&count->invalid, 1);
		tx_done(pair);
		return true;
	}
	if (!link_up(nic)) {
		add(&count->dropped, 1);
		tx_done(pair);
		return true;
	}
	rc = nic->backend->ops->send(pair->port, &tx->hdr, tx->iov + 1, tx->nr);
	if (rc == -EAGAIN) {
		pair->want_out = true;
		return false;
	}
	look_at_carrier(pair);
	if (rc)
		add(&count->dropped, 1);
	else
		count_frame(count, tx->len);
	/* Who has frames cut up sends many. */
	pair->look.found += tx->hdr.gso_type ? LOOK_WORTH : 1;
	tx_done(pair);
	return true;
}

/* All are sent: looks later, or asks for the doorbell. */
static bool tx_rest(struct net_pair *pair, bool looked)
{
	struct net_look *look = &pair->look;

	if (looked) {
		look->skip = look->found < LOOK_WORTH ? 2 * look->skip + 1 : 0;
		if (look->skip > LOOK_SKIP_MAX)
			look->skip = LOOK_SKIP_MAX;
		look->left = look->skip;
	} else if (look->left) {
		look->left--;
	}
	if (look->left || !look->found)
		return virtio_poll_off(pair->txq);
	if (!look->timer.deadline)
		loop_timer_arm(pair->lane->loop, &look->timer,
			       loop_now() + LOOK_NS);
	return false;
}

bool net_serve_tx(struct net_pair *pair)
{
	struct net_tx *tx = &pair->tx;
	bool looked = pair->look.due, more = false;
	uint64_t wait;
	unsigned int n;

	pair->want_out = false;
	pair->look.due = false;
	pair->look.found = 0;
	virtio_poll_on(pair->txq);
	for (n = 0; n < VIRTIO_BUDGET && !pair->tx_waits; n++) {
		if (!tx->have) {
			if (!virtio_pop(pair->txq, &tx->chain)) {
				more = tx_rest(pair, looked);
				break;
			}
			if (!tx_parse(pair))
				break;
			wait = ask(pair, true, tx->len);
			if (wait) {
				pair->tx_waits = true;
				wait_for(pair, wait);
				break;
			}
		}
		if (!tx_one(pair))
			break;
	}
	watch(pair);
	virtio_signal(pair->txq);
	return more || n == VIRTIO_BUDGET;
}

/* ---- what wakes a pair ------------------------------------------------------------ */

void net_on_port(void *opaque, uint32_t events)
{
	struct net_pair *pair = opaque;
	struct virtio_dev *vdev = &pair->nic->vpci.vdev;

	if (pair->port->unsent) {
		pair->nic->backend->ops->send(pair->port, NULL,
					      pair->tx.iov + 1, 0);
		look_at_carrier(pair);
		watch(pair);
	}
	if (pair->want_out && events & (EPOLLOUT | EPOLLERR | EPOLLHUP))
		virtio_serve(vdev, pair->txq->index);
	if (pair->want_in && events & (EPOLLIN | EPOLLERR | EPOLLHUP))
		virtio_serve(vdev, pair->rxq->index);
}

/* Both may wait for one timer: who is still too early asks again. */
void net_on_time(void *opaque)
{
	struct net_pair *pair = opaque;
	struct virtio_dev *vdev = &pair->nic->vpci.vdev;
	uint64_t wait, next = 0;

	if (pair->rx_waits) {
		wait = ask(pair, false, pair->rx.len);
		pair->rx_waits = wait;
		next = wait;
	}
	if (pair->tx_waits) {
		wait = ask(pair, true, pair->tx.len);
		pair->tx_waits = wait;
		if (wait && (!next || wait < next))
			next = wait;
	}
	if (next)
		wait_for(pair, next);
	if (!pair->rx_waits)
		virtio_serve(vdev, pair->rxq->index);
	if (!pair->tx_waits)
		virtio_serve(vdev, pair->txq->index);
}

void net_on_look(void *opaque)
{
	struct net_pair *pair = opaque;

	pair->look.due = true;
	virtio_serve(&pair->nic->vpci.vdev, pair->txq->index);
}

/* What waits goes on waiting, for the next start. */
void net_quiesce(struct net_pair *pair, bool tx)
{
	if (tx) {
		pair->want_out = false;
		pair->tx_waits = false;
		loop_timer_cancel(pair->lane->loop, &pair->look.timer);
		/* Of what there is nobody would ring any more. */
		virtio_serve_later(&pair->nic->vpci.vdev, pair->txq->index);
	} else {
		pair->want_in = false;
		pair->rx_waits = false;
	}
	if (!pair->tx_waits && !pair->rx_waits)
		loop_timer_cancel(pair->lane->loop, &pair->wait);
	if (!pair->want_in && !pair->want_out)
		loop_fd_del(pair->lane->loop, &pair->watch);
	else
		watch(pair);
	virtio_signal(tx ? pair->txq : pair->rxq);
}

/* A frame at hand is kept for other chains. */
void net_drop(struct net_pair *pair, bool tx)
{
	if (tx) {
		pair->tx.have = false;
		return;
	}
	pair->rx.have = false;
	pair->rx.nr_parts = 0;
	pair->rx.done = 0;
}

void net_put_back(struct net_pair *pair, bool tx)
{
	struct net_rx *rx = &pair->rx;

	if (tx) {
		ring_put_back(&pair->txq->ring, pair->tx.have);
	} else {
		ring_put_back(&pair->rxq->ring, rx->have + rx->nr_parts);
		if (rx->len)
			add(&pair->counts[RECEIVED].dropped, 1);
		rx->len = 0;
	}
	net_drop(pair, tx);
}
