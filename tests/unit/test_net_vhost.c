// SPDX-License-Identifier: GPL-2.0-or-later
/* A card of a vhost-user backend's: its link, its pairs, and what it says. */
#include <linux/virtio_net.h>
#include <sys/stat.h>

#include "net/net.h"
#include "vhost_rig.h"
#include "virtio/net.h"
#include "virtio/virtio_devices.h"

#define F(bit) (1ULL << (bit))
#define RINGS (F(VIRTIO_F_VERSION_1) | F(VIRTIO_RING_F_EVENT_IDX))
#define CONTROL 4 /* of two pairs */

struct fixture {
	struct backend b;
	struct net_config cfg;
	struct rig *rig;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->b.features = RINGS | F(VU_F_PROTOCOL) | F(VIRTIO_NET_F_MRG_RXBUF) |
			F(VIRTIO_NET_F_CSUM) | F(VIRTIO_NET_F_HOST_TSO4) |
			F(VIRTIO_NET_F_CTRL_VLAN);
	f->b.protocol = F(VU_P_MQ) | F(VU_P_REPLY_ACK);
	f->b.nr_queues = 2; /* pairs */
	f->cfg.kind = NET_VHOST_USER;
	f->cfg.queues = 2;
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	if (f->rig)
		rig_free(f->rig);
	backend_free(&f->b);
	free(f);
	return 0;
}

static void begin(struct fixture *f)
{
	struct error err = { "" };

	backend_start(&f->b);
	f->cfg.path = f->b.path;
	if (rig_init_on(&f->rig, &rig_accel_irqfd_ops, &virtio_net_class,
			&f->cfg, &err))
		fail_msg("%s", err.text);
}

static uint64_t offered(struct fixture *f)
{
	return container_of(f->rig->pci, struct virtio_pci, pci)->vdev.features;
}

static void drive(struct fixture *f)
{
	rig_drive(f->rig, F(VIRTIO_NET_F_CTRL_VQ) | F(VIRTIO_NET_F_MQ) |
				  F(VIRTIO_NET_F_STATUS) |
				  F(VIRTIO_NET_F_MRG_RXBUF));
}

/* Which rings it has, a bit for each. */
static unsigned int rings(struct fixture *f)
{
	unsigned int i, set = 0;

	pthread_mutex_lock(&f->b.lock);
	for (i = 0; i < BACKEND_RINGS; i++)
		set |= (unsigned int)f->b.rings[i].on << i;
	pthread_mutex_unlock(&f->b.lock);
	return set;
}

static uint8_t set_pairs(struct fixture *f, uint16_t n)
{
	const uint64_t at = RIG_DATA + 0xc0000;
	struct rig_buf bufs[] = { { at, 4, false }, { at + 4, 1, true } };
	uint8_t *mem = rig_mem(f->rig, at, 5);

	mem[0] = VIRTIO_NET_CTRL_MQ;
	mem[1] = VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET;
	memcpy(mem + 2, &n, 2);
	mem[4] = 0xee;
	rig_add(f->rig, CONTROL, bufs, 2);
	rig_kick(f->rig, CONTROL);
	return mem[4];
}

static bool link_up(struct fixture *f)
{
	return rig_read(f->rig,
			VIRTIO_PCI_DEVICE +
				offsetof(struct virtio_net_config, status),
			2) &
	       VIRTIO_NET_S_LINK_UP;
}

static void serves(struct fixture *f, unsigned int q)
{
	struct rig_buf buf = { RIG_DATA, 512, true };

	rig_add(f->rig, q, &buf, 1);
	rig_ring(f->rig, q);
	backend_wait(f->rig, rig_used(f->rig, q, NULL) == 1);
}

/* ------------------------------------------------------------------------------ */

/* What the backend can do of frames and rings, and what is done here. */
static void test_features(void **state)
{
	struct fixture *f = *state;

	rig_next_config.virtio.packed = true;
	begin(f);
	assert_true(offered(f) & F(VIRTIO_NET_F_CSUM));
	assert_true(offered(f) & F(VIRTIO_NET_F_MRG_RXBUF));
	assert_true(offered(f) & F(VIRTIO_NET_F_MQ));
	assert_false(offered(f) &
		     (F(VIRTIO_NET_F_GUEST_CSUM) |
		      F(VIRTIO_NET_F_CTRL_GUEST_OFFLOADS) |
		      F(VIRTIO_RING_F_INDIRECT_DESC) | F(34) | F(35)));
}

static void test_pairs(void **state)
{
	struct fixture *f = *state;

	begin(f);
	drive(f);
	assert_int_equal(rings(f), 3);
	serves(f, 0);
	serves(f, 1);
	assert_int_equal(set_pairs(f, 2), VIRTIO_NET_OK);
	backend_wait(f->rig, rings(f) == 15);
	serves(f, 3);
	assert_int_equal(set_pairs(f, 3), VIRTIO_NET_ERR);
	assert_int_equal(set_pairs(f, 1), VIRTIO_NET_OK);
	backend_wait(f->rig, rings(f) == 3);
	serves(f, 0);
	/* Not those of the kind that change how a ring looks alone. */
	assert_int_equal(f->b.acked, F(VIRTIO_F_VERSION_1) | F(VU_F_PROTOCOL) |
					     F(VIRTIO_NET_F_MRG_RXBUF));
}

static void test_link(void **state)
{
	struct fixture *f = *state;

	begin(f);
	drive(f);
	assert_true(link_up(f));
	virtio_net_set_link(f->rig->dev, false);
	backend_wait(f->rig, !rings(f));
	assert_false(link_up(f));
	virtio_net_set_link(f->rig->dev, true);
	backend_wait(f->rig, rings(f) == 3);
	serves(f, 1);
}

/* As if the cable were out; frames that are sent meanwhile are lost. */
static void test_gone(void **state)
{
	struct fixture *f = *state;
	struct rig_buf buf = { RIG_DATA, 512, false };
	struct net_count rx, tx;

	begin(f);
	drive(f);
	serves(f, 1);
	backend_stop(&f->b);
	backend_wait(f->rig, !link_up(f));
	rig_add(f->rig, 1, &buf, 1);
	rig_kick(f->rig, 1);
	assert_int_equal(rig_used(f->rig, 1, NULL), 1);
	virtio_net_counts(f->rig->dev, 0, &rx, &tx);
	assert_int_equal(tx.dropped, 1);
	backend_start(&f->b);
	backend_wait(f->rig, link_up(f));
	backend_wait(f->rig, rings(f) == 3);
	serves(f, 1);
	serves(f, 0);
}

static void test_refused(void **state)
{
	struct fixture *f = *state;
	struct error err = { "" };
	struct net_config cfg = { .kind = NET_VHOST_USER,
				  .path = (char *)(uintptr_t) "/x" };

	assert_int_equal(net_check(&cfg, &err), 0);
	cfg.bps = 1 << 20;
	assert_int_not_equal(net_check(&cfg, &err), 0);
	cfg.bps = 0;
	cfg.vhost = VHOST_ON;
	assert_int_not_equal(net_check(&cfg, &err), 0);
	cfg = (struct net_config){ .kind = NET_TAP,
				   .vhost = VHOST_ON,
				   .iops = 5 };
	assert_int_not_equal(net_check(&cfg, &err), 0);
	cfg.iops = 0;
	assert_int_equal(net_check(&cfg, &err), 0);

	/* More than the backend has. */
	f->cfg.queues = 3;
	backend_start(&f->b);
	f->cfg.path = f->b.path;
	assert_int_not_equal(rig_init(&f->rig, &virtio_net_class, &f->cfg,
				      &err),
			     0);
	assert_non_null(strstr(err.text, "2 pairs of queues, not 3"));
	rig_free(f->rig);
	f->rig = NULL;
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_features), TEST(test_pairs),	 TEST(test_link),
		TEST(test_gone),     TEST(test_refused),
	};

	return cmocka_run_group_tests_name("net-vhost", tests, NULL, NULL);
}
