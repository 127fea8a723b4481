// SPDX-License-Identifier: GPL-2.0-or-later
#include <fcntl.h>
#include <signal.h>

#include "net_rig.h"

static int setup(void **state)
{
	*state = calloc(1, sizeof(struct net_rig));
	return !*state;
}

static int teardown(void **state)
{
	net_rig_close(*state);
	free(*state);
	return 0;
}

static void test_config(void **state)
{
	struct net_rig *f = *state;
	unsigned int i;

	f->cfg.mtu = 1400;
	net_rig_open(f, NET_PASST, CONTROL | F(VIRTIO_NET_F_MTU));
	for (i = 0; i < 6; i++)
		assert_int_equal(rig_read(f->rig, VIRTIO_PCI_DEVICE + i, 1),
				 our_mac[i]);
	assert_int_equal(net_link(f), VIRTIO_NET_S_LINK_UP);
	assert_int_equal(rig_read(f->rig, VIRTIO_PCI_DEVICE + 8, 2), 1);
	assert_int_equal(rig_read(f->rig, VIRTIO_PCI_DEVICE + 10, 2), 1400);
	/* What this backend has not. */
	assert_int_equal(nic_of(f)->vpci.vdev.features &
				 (F(VIRTIO_NET_F_CSUM) | F(VIRTIO_NET_F_MQ) |
				  F(VIRTIO_NET_F_CTRL_GUEST_OFFLOADS)),
			 0);
}

static void test_receive(void **state)
{
	struct vring_used_elem elem;
	struct net_rig *f = *state;
	struct virtio_net_hdr_v1 *hdr;
	struct net_count rx, tx;
	uint8_t frame[100];
	uint64_t at;

	net_rig_open(f, NET_PASST, MERGE);
	net_frame(frame, sizeof(frame), our_mac, 1);
	at = net_give(f, 2048);
	net_to_guest(f, frame, sizeof(frame));
	assert_int_equal(rig_used(f->rig, RX, &elem), 1);
	assert_int_equal(elem.len, HDR + 100);
	hdr = rig_mem(f->rig, at, HDR);
	assert_int_equal(hdr->num_buffers, 1);
	assert_int_equal(hdr->flags | hdr->gso_type, 0);
	assert_memory_equal(hdr + 1, frame, 100);
	assert_int_equal(*((uint8_t *)hdr + HDR + 100), 0xee);
	assert_int_equal(f->rig->msis[RX], 1);

	/* One that finds no buffer waits for it. */
	net_frame(frame, sizeof(frame), our_mac, 2);
	net_to_guest(f, frame, sizeof(frame));
	assert_int_equal(rig_used(f->rig, RX, NULL), 0);
	at = net_give(f, 2048);
	assert_int_equal(rig_used(f->rig, RX, &elem), 1);
	assert_memory_equal(rig_mem(f->rig, at + HDR, 100), frame, 100);

	/* Nothing that could be a frame. */
	net_to_guest(f, frame, 13);
	virtio_net_counts(f->rig->dev, 0, &rx, &tx);
	assert_int_equal(rx.frames, 2);
	assert_int_equal(rx.bytes, 200);
	assert_int_equal(rx.invalid, 1);
	assert_int_equal(tx.frames, 0);
}

/* One frame in several buffers, which come one after the other. */
static void test_merge(void **state)
{
	struct vring_used_elem elem;
	struct net_rig *f = *state;
	uint8_t frame[1000], got[1000];
	unsigned int i, at = 0, n;
	uint64_t bufs[11];

	net_rig_open(f, NET_PASST, MERGE);
	net_frame(frame, sizeof(frame), our_mac, 5);
	for (i = 0; i < 5; i++)
		bufs[i] = net_give(f, 100);
	net_to_guest(f, frame, sizeof(frame));
	assert_int_equal(rig_used(f->rig, RX, NULL), 0);
	for (; i < 11; i++) {
		assert_int_equal(rig_used(f->rig, RX, NULL), 0);
		bufs[i] = net_give(f, 100);
	}
	assert_int_equal(rig_used(f->rig, RX, &elem), 11);
	assert_int_equal(elem.len, 12);
	for (i = 0; i < 11; i++, at += n) {
		n = i == 10 ? 12 : i ? 100 : 88;
		memcpy(got + at, rig_mem(f->rig, bufs[i] + (i ? 0 : HDR), n),
		       n);
	}
	assert_memory_equal(got, frame, sizeof(frame));
	assert_int_equal(((struct virtio_net_hdr_v1 *)rig_mem(f->rig, bufs[0],
							      HDR))
				 ->num_buffers,
			 11);
}

/* Without merging, what does not fit is lost, and the buffer is not. */
static void test_no_merge(void **state)
{
	struct vring_used_elem elem;
	struct net_rig *f = *state;
	uint8_t frame[100];
	uint64_t at;

	net_rig_open(f, NET_PASST, 0);
	at = net_give(f, HDR + 99);
	net_frame(frame, 100, our_mac, 1);
	net_to_guest(f, frame, 100);
	assert_int_equal(rig_used(f->rig, RX, NULL), 0);
	assert_int_equal(nic_of(f)->pairs->counts[0].dropped, 1);
	net_to_guest(f, frame, 99);
	assert_int_equal(rig_used(f->rig, RX, &elem), 1);
	assert_memory_equal(rig_mem(f->rig, at + HDR, 99), frame, 99);
}

/* A frame of which no doorbell tells. */
static void add_frame(struct net_rig *f)
{
	struct rig_buf buf = { RIG_DATA + 0x80000, HDR + 60, false };
	uint8_t *mem = rig_mem(f->rig, buf.addr, buf.len);

	memset(mem, 0, HDR);
	net_frame(mem + HDR, 60, our_mac, 1);
	rig_add(f->rig, TX, &buf, 1);
}

static bool wants_doorbell(const struct net_pair *pair)
{
	return !(pair->txq->ring.used->flags & VRING_USED_F_NO_NOTIFY);
}

static unsigned int frames_sent(struct net_rig *f)
{
	uint8_t got[NET_FRAME_MAX];
	unsigned int n = 0;

	while (net_from_guest(f, got))
		n++;
	return n;
}

/* Who sends more soon need not ring; who does not, has to. */
static void test_look(void **state)
{
	struct net_rig *f = *state;
	struct net_pair *pair;
	unsigned int i;

	net_rig_open(f, NET_PASST, MERGE);
	pair = nic_of(f)->pairs;
	assert_true(wants_doorbell(pair));
	assert_int_equal(pair->look.timer.deadline, 0);

	/* The first is sent at once. */
	add_frame(f);
	assert_false(net_serve_tx(pair));
	assert_int_equal(frames_sent(f), 1);
	assert_false(wants_doorbell(pair));
	assert_int_not_equal(pair->look.timer.deadline, 0);

	/* Nobody rings for others, as long as there are some. */
	for (i = 0; i < 3; i++) {
		loop_timer_cancel(f->rig->vm.loop, &pair->look.timer);
		add_frame(f);
		add_frame(f);
		net_on_look(pair);
		assert_int_equal(frames_sent(f), 2);
		assert_false(wants_doorbell(pair));
		assert_int_not_equal(pair->look.timer.deadline, 0);
	}
	loop_timer_cancel(f->rig->vm.loop, &pair->look.timer);
	net_on_look(pair);
	assert_true(wants_doorbell(pair));
	assert_int_equal(pair->look.timer.deadline, 0);

	/* One by one: the second look is later than the first. */
	add_frame(f);
	assert_false(net_serve_tx(pair));
	assert_false(wants_doorbell(pair));
	loop_timer_cancel(f->rig->vm.loop, &pair->look.timer);
	add_frame(f);
	net_on_look(pair);
	assert_true(wants_doorbell(pair));
	for (i = 0; i < 3; i++) {
		assert_true(wants_doorbell(pair));
		add_frame(f);
		assert_false(net_serve_tx(pair));
	}
	assert_false(wants_doorbell(pair));
	assert_int_equal(frames_sent(f), 5);

	/* What it would have found is found after a stop. */
	add_frame(f);
	devices_stop(&f->rig->vm);
	assert_int_equal(pair->look.timer.deadline, 0);
	devices_start(&f->rig->vm);
	rig_run(f->rig);
	assert_int_equal(frames_sent(f), 1);
}

static void test_send(void **state)
{
	const struct virtio_net_hdr_v1 hdr = { 0 };
	static const uint32_t cuts[] = { 3, HDR, HDR + 6, HDR + 79 };
	struct net_rig *f = *state;
	uint8_t frame[80], got[NET_FRAME_MAX];
	unsigned int i;

	net_rig_open(f, NET_PASST, MERGE);
	for (i = 0; i < 4; i++) {
		net_frame(frame, 80, our_mac, i);
		net_send(f, &hdr, frame, 80, cuts[i]);
		assert_int_equal(rig_used(f->rig, TX, NULL), 1);
		assert_int_equal(net_from_guest(f, got), 80);
		assert_memory_equal(got, frame, 80);
	}
	assert_int_equal(nic_of(f)->pairs->counts[1].frames, 4);
	assert_int_equal(nic_of(f)->pairs->counts[1].bytes, 320);
}

/* What is sent while nobody reads comes whole, and in order, later. */
/* A driver of before virtio 1.0 that does not merge: the header is shorter. */
static void test_short_header(void **state)
{
	const struct virtio_net_hdr hdr = { 0 };
	struct rig_buf buf = { RIG_DATA + 0x80000, sizeof(hdr) + 60, false };
	uint8_t frame[60], got[NET_FRAME_MAX], *mem;
	struct vring_used_elem elem;
	struct net_rig *f = *state;
	uint64_t at;

	net_rig_open(f, NET_PASST, 0);
	nic_of(f)->vpci.vdev.driver_features &= ~F(VIRTIO_F_VERSION_1);
	net_frame(frame, sizeof(frame), our_mac, 1);
	mem = rig_mem(f->rig, buf.addr, buf.len);
	memcpy(mem, &hdr, sizeof(hdr));
	memcpy(mem + sizeof(hdr), frame, sizeof(frame));
	rig_add(f->rig, TX, &buf, 1);
	rig_kick(f->rig, TX);
	assert_int_equal(net_from_guest(f, got), sizeof(frame));
	assert_memory_equal(got, frame, sizeof(frame));

	at = net_give(f, sizeof(hdr) + 60);
	net_to_guest(f, frame, sizeof(frame));
	assert_int_equal(rig_used(f->rig, RX, &elem), 1);
	assert_int_equal(elem.len, sizeof(hdr) + 60);
	assert_memory_equal(rig_mem(f->rig, at, sizeof(hdr)), &hdr,
			    sizeof(hdr));
	assert_memory_equal(rig_mem(f->rig, at + sizeof(hdr), 60), frame, 60);
}

static void test_send_full(void **state)
{
	const struct virtio_net_hdr_v1 hdr = { 0 };
	struct net_rig *f = *state;
	unsigned int sent = 0, read = 0, used = 0;
	static uint8_t frame[60000], got[NET_FRAME_MAX];
	size_t n;

	net_rig_open(f, NET_PASST, MERGE);
	do {
		net_frame(frame, sizeof(frame), our_mac, sent++);
		net_send(f, &hdr, frame, sizeof(frame), HDR);
		used = rig_used(f->rig, TX, NULL);
	} while (used && sent < 100);
	assert_int_equal(used, 0);
	while (read < sent) {
		/* The last part may be yet to come. */
		fcntl(f->peer, F_SETFL, O_NONBLOCK);
		n = recv(f->peer, got, 4, MSG_PEEK);
		if (n != 4) {
			rig_run(f->rig);
			continue;
		}
		n = recv(f->peer, got, 4 + sizeof(frame), MSG_PEEK);
		if (n < 4 + sizeof(frame)) {
			/* Make room. */
			uint8_t *p = got;
			size_t left = 4 + sizeof(frame);

			while (left) {
				ssize_t m = recv(f->peer, p, left, 0);

				if (m > 0) {
					p += m;
					left -= (size_t)m;
				} else {
					rig_run(f->rig);
				}
			}
		} else {
			assert_int_equal(recv(f->peer, got, n, 0), n);
		}
		net_frame(frame, sizeof(frame), our_mac, read++);
		assert_memory_equal(got + 4, frame, sizeof(frame));
		rig_run(f->rig);
	}
	assert_int_equal(nic_of(f)->pairs->counts[1].frames, sent);
	assert_int_equal(rig_used(f->rig, TX, NULL), 1);
}

static void test_send_invalid(void **state)
{
	const struct virtio_net_hdr_v1 none = { 0 };
	const struct virtio_net_hdr_v1 sum = {
		.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
	};
	const struct virtio_net_hdr_v1 cut = {
		.gso_type = VIRTIO_NET_HDR_GSO_TCPV4,
		.gso_size = 100,
	};
	struct net_rig *f = *state;
	uint8_t frame[80], got[NET_FRAME_MAX];

	net_rig_open(f, NET_PASST, MERGE);
	net_frame(frame, 80, our_mac, 1);
	net_send(f, &none, frame, 13, HDR);
	net_send(f, &sum, frame, 80, HDR);
	net_send(f, &cut, frame, 80, HDR);
	assert_int_equal(rig_used(f->rig, TX, NULL), 3);
	assert_int_equal(net_from_guest(f, got), 0);
	assert_int_equal(nic_of(f)->pairs->counts[1].invalid, 3);
	assert_false(net_broken(f));
}

static void test_header(void **state)
{
	const uint64_t all = F(VIRTIO_NET_F_CSUM) | F(VIRTIO_NET_F_HOST_TSO4) |
			     F(VIRTIO_NET_F_HOST_TSO6) |
			     F(VIRTIO_NET_F_HOST_UFO) |
			     F(VIRTIO_NET_F_HOST_ECN);
	const uint8_t sum = VIRTIO_NET_HDR_F_NEEDS_CSUM;
	const uint8_t ecn = VIRTIO_NET_HDR_GSO_ECN;
	const struct {
		uint64_t features;
		struct virtio_net_hdr_v1 hdr;
		bool valid;
	} rows[] = {
		{ 0, { 0 }, true },
		{ 0, { .gso_type = ecn }, false },
		{ 0, { .flags = sum, .csum_start = 34 }, false },
		{ all, { .flags = sum, .csum_start = 34 }, true },
		{ all,
		  { .flags = sum, .csum_start = 90, .csum_offset = 8 },
		  true },
		{ all,
		  { .flags = sum, .csum_start = 90, .csum_offset = 9 },
		  false },
		{ all,
		  { .flags = sum, .csum_start = 65535, .csum_offset = 65535 },
		  false },
		{ all, { .flags = sum, .gso_type = 1, .gso_size = 1 }, true },
		{ all, { .flags = sum, .gso_type = 4, .gso_size = 1 }, true },
		{ all, { .flags = sum, .gso_type = 3, .gso_size = 1 }, true },
		{ all, { .flags = sum, .gso_type = 2, .gso_size = 1 }, false },
		{ all, { .flags = sum, .gso_type = 5, .gso_size = 1 }, false },
		{ all, { .flags = sum, .gso_type = 1 }, false },
		{ all, { .gso_type = 1, .gso_size = 1 }, false },
		{ all,
		  { .flags = sum, .gso_type = 1 | ecn, .gso_size = 1 },
		  true },
		{ all & ~F(VIRTIO_NET_F_HOST_ECN),
		  { .flags = sum, .gso_type = 1 | ecn, .gso_size = 1 },
		  false },
		{ all & ~F(VIRTIO_NET_F_HOST_TSO4),
		  { .flags = sum, .gso_type = 1, .gso_size = 1 },
		  false },
		{ all,
		  { .flags = sum, .gso_type = 1, .gso_size = 1, .hdr_len = 100 },
		  true },
		{ all,
		  { .flags = sum, .gso_type = 1, .gso_size = 1, .hdr_len = 101 },
		  false },
	};
	struct net_rig *f = *state;
	size_t i;

	net_rig_open(f, NET_PASST, 0);
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (net_header_valid(rows[i].features, &rows[i].hdr, 100) !=
		    rows[i].valid)
			fail_msg("row %zu", i);
}

/* What no frame can be made of needs a reset, and works after it. */
static void test_broken(void **state)
{
	const struct rig_buf no_header = { RIG_DATA, HDR - 1, false };
	const struct rig_buf no_answer = { RIG_DATA, 2, false };
	struct net_rig *f = *state;
	uint8_t frame[100];
	unsigned int i;

	net_rig_open(f, NET_PASST, CONTROL);
	net_frame(frame, 100, our_mac, 1);
	rig_add(f->rig, TX, &no_header, 1);
	rig_kick(f->rig, TX);
	assert_true(net_broken(f));

	rig_drive(f->rig, CONTROL);
	assert_false(net_broken(f));
	net_give(f, HDR - 1);
	net_to_guest(f, frame, 100);
	assert_true(net_broken(f));

	rig_drive(f->rig, CONTROL);
	for (i = 0; i < RIG_NUM; i++)
		net_give(f, HDR);
	/* The frame of before the reset was kept. */
	assert_int_equal(rig_used(f->rig, RX, NULL), 10);
	net_to_guest(f, frame, 100);
	for (i = 0; i < 4; i++)
		net_give(f, HDR);
	assert_int_equal(rig_used(f->rig, RX, NULL), 10);
	assert_false(net_broken(f));

	rig_drive(f->rig, CONTROL);
	rig_add(f->rig, CTRL, &no_answer, 1);
	rig_kick(f->rig, CTRL);
	assert_true(net_broken(f));
}

/* All the room that there can be is less than a frame. */
static void test_small_buffers(void **state)
{
	struct net_rig *f = *state;
	uint8_t frame[1000];
	unsigned int i;

	net_rig_open(f, NET_PASST, MERGE);
	net_frame(frame, sizeof(frame), our_mac, 1);
	for (i = 0; i < RIG_NUM; i++)
		net_give(f, HDR);
	assert_false(net_broken(f));
	net_to_guest(f, frame, sizeof(frame));
	assert_true(net_broken(f));
}

/* While the machine is stopped nothing moves, and then everything. */
static void test_stop(void **state)
{
	const struct virtio_net_hdr_v1 hdr = { 0 };
	struct net_rig *f = *state;
	uint8_t frame[100], got[NET_FRAME_MAX];

	net_rig_open(f, NET_PASST, MERGE);
	net_give(f, 2048);
	devices_stop(&f->rig->vm);
	net_frame(frame, 100, our_mac, 1);
	net_to_guest(f, frame, 100);
	net_send(f, &hdr, frame, 100, HDR);
	assert_int_equal(rig_used(f->rig, RX, NULL), 0);
	assert_int_equal(net_from_guest(f, got), 0);
	devices_start(&f->rig->vm);
	rig_run(f->rig);
	assert_int_equal(rig_used(f->rig, RX, NULL), 1);
	assert_int_equal(net_from_guest(f, got), 100);
}

static void test_set_link(void **state)
{
	const struct virtio_net_hdr_v1 hdr = { 0 };
	struct net_rig *f = *state;
	uint8_t frame[100], got[NET_FRAME_MAX];
	unsigned int configs;

	net_rig_open(f, NET_PASST, MERGE | F(VIRTIO_NET_F_STATUS));
	configs = f->rig->msis[3];
	net_frame(frame, 100, our_mac, 1);
	net_give(f, 2048);
	virtio_net_set_link(f->rig->dev, false);
	assert_int_equal(net_link(f), 0);
	assert_int_equal(f->rig->msis[3], configs + 1);
	net_to_guest(f, frame, 100);
	net_send(f, &hdr, frame, 100, HDR);
	assert_int_equal(rig_used(f->rig, RX, NULL), 0);
	assert_int_equal(rig_used(f->rig, TX, NULL), 1);
	assert_int_equal(net_from_guest(f, got), 0);
	assert_int_equal(nic_of(f)->pairs->counts[0].dropped, 1);
	assert_int_equal(nic_of(f)->pairs->counts[1].dropped, 1);
	virtio_net_set_link(f->rig->dev, true);
	assert_int_equal(net_link(f), VIRTIO_NET_S_LINK_UP);
	net_to_guest(f, frame, 100);
	assert_int_equal(rig_used(f->rig, RX, NULL), 1);
}

/* Who has connected is alone when the other has gone. */
static void test_peer_gone(void **state)
{
	const struct virtio_net_hdr_v1 hdr = { 0 };
	struct net_rig *f = *state;
	uint8_t frame[100], got[100];
	unsigned int tries = 3000;

	net_rig_open(f, NET_PASST, MERGE);
	net_frame(frame, 100, our_mac, 1);
	net_give(f, 2048);
	close(f->peer);
	f->peer = -1;
	rig_run(f->rig);
	assert_int_equal(net_link(f), 0);
	net_send(f, &hdr, frame, 100, HDR);
	assert_int_equal(rig_used(f->rig, TX, NULL), 1);
	assert_false(net_broken(f));

	/* It is found when it comes back: the listener has it already. */
	f->peer = accept4(f->listener, NULL, NULL, SOCK_NONBLOCK);
	assert_true(f->peer >= 0);
	while (!net_link(f) && tries--)
		rig_run(f->rig);
	assert_int_equal(net_link(f), VIRTIO_NET_S_LINK_UP);
	net_to_guest(f, frame, 100);
	assert_int_equal(rig_used(f->rig, RX, NULL), 1);
	net_send(f, &hdr, frame, 100, HDR);
	assert_int_equal(net_from_guest(f, got), 100);
}

/* Lengths that cannot be right end the connection. */
static void test_bad_length(void **state)
{
	const uint32_t huge = htobe32(NET_FRAME_MAX + 1);
	struct net_rig *f = *state;

	net_rig_open(f, NET_PASST, MERGE);
	assert_int_equal(write(f->peer, &huge, 4), 4);
	rig_run(f->rig);
	assert_int_equal(net_link(f), 0);
}

static int connect_to(struct net_rig *f)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

	strcpy(sa.sun_path, f->path);
	assert_int_equal(connect(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	rig_run(f->rig);
	return fd;
}

/* Who came first waits for the other, again and again. */
static void test_link(void **state)
{
	struct vring_used_elem elem;
	struct net_rig *f = *state;
	uint8_t frame[100];
	unsigned int i;

	net_rig_open(f, NET_LINK, MERGE | F(VIRTIO_NET_F_STATUS));
	assert_int_equal(net_link(f), 0);
	for (i = 0; i < 3; i++) {
		f->peer = connect_to(f);
		assert_int_equal(net_link(f), VIRTIO_NET_S_LINK_UP);
		net_give(f, 1024);
		net_frame(frame, 100, our_mac, i);
		net_to_guest(f, frame, 100);
		assert_int_equal(rig_used(f->rig, RX, &elem), 1);
		close(f->peer);
		rig_run(f->rig);
		assert_int_equal(net_link(f), 0);
	}
	f->peer = -1;
}

static void test_not_open(void **state)
{
	char path[] = "/nonexistent/s", name[] = "longer-than-15-characters";
	const struct {
		struct net_config cfg;
		const char *why;
	} rows[] = {
		{ { .kind = NET_PASST, .path = path }, "cannot connect" },
		{ { .kind = NET_TAP, .has_fd = true, .fd = 0 },
		  "no TAP interface" },
		{ { .kind = NET_TAP, .name = name }, "name=" },
	};
	struct net_rig *f = *state;
	struct error err;
	struct rig *rig;
	uint8_t mac[6];
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_true(rig_init(&rig, &virtio_net_class, &rows[i].cfg,
				     &err) < 0);
		if (!strstr(err.text, rows[i].why))
			fail_msg("%s: %s", rows[i].why, err.text);
		rig_free(rig);
	}
	assert_int_equal(net_parse_mac("52:54:00:aB:ff:03", mac, &err), 0);
	assert_memory_equal(mac, "\x52\x54\x00\xab\xff\x03", 6);
	assert_int_equal(net_parse_mac("52:54:00:ab:ff", mac, &err), -EINVAL);
	assert_int_equal(net_parse_mac("52:54:00:ab:ff:031", mac, &err),
			 -EINVAL);
	assert_int_equal(net_parse_mac("53:54:00:ab:ff:03", mac, &err),
			 -EINVAL);
	net_rig_open(f, NET_PASST, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_config),	 TEST(test_receive),
		TEST(test_merge),	 TEST(test_no_merge),
		TEST(test_look),	 TEST(test_send),
		TEST(test_short_header), TEST(test_send_full),
		TEST(test_send_invalid), TEST(test_header),
		TEST(test_broken),	 TEST(test_small_buffers),
		TEST(test_stop),	 TEST(test_set_link),
		TEST(test_peer_gone),	 TEST(test_bad_length),
		TEST(test_link),	 TEST(test_not_open),
	};

	/* As the program has it. */
	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests_name("net", tests, NULL, NULL);
}
