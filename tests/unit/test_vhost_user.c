// SPDX-License-Identifier: GPL-2.0-or-later
/* Devices of a vhost-user backend: a disk, and how backends go wrong. */
#include <linux/virtio_blk.h>
#include <linux/virtio_fs.h>
#include <sys/stat.h>

#include "vhost_rig.h"
#include "virtio/vhost_device.h"
#include "virtio/virtio_devices.h"

#define F(bit) (1ULL << (bit))
#define RINGS                                                 \
	(F(VIRTIO_F_VERSION_1) | F(VIRTIO_RING_F_EVENT_IDX) | \
	 F(VIRTIO_RING_F_INDIRECT_DESC))
#define SECTORS 4711

struct fixture {
	struct backend b;
	struct vhost_blk_config cfg;
	struct rig *rig;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct virtio_blk_config c = { .capacity = SECTORS, .num_queues = 2 };

	f->b.features = RINGS | F(VU_F_PROTOCOL) | F(VIRTIO_BLK_F_FLUSH) |
			F(VIRTIO_BLK_F_MQ) | F(VIRTIO_BLK_F_CONFIG_WCE) |
			F(VIRTIO_F_RING_PACKED);
	f->b.protocol = F(VU_P_MQ) | F(VU_P_REPLY_ACK) | F(VU_P_CONFIG) | F(40);
	f->b.nr_queues = 2;
	memcpy(f->b.config, &c, sizeof(c));
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

static void begin(struct fixture *f, const struct accel_ops *ops)
{
	struct error err = { "" };

	backend_start(&f->b);
	f->cfg.path = f->b.path;
	if (rig_init_on(&f->rig, ops, &vhost_blk_class, &f->cfg, &err))
		fail_msg("%s", err.text);
}

static void add(struct fixture *f, unsigned int q, unsigned int n)
{
	struct rig_buf buf = { RIG_DATA + 0x1000 * n, 512, true };

	*(uint8_t *)rig_mem(f->rig, buf.addr, 1) = 0;
	rig_add(f->rig, q, &buf, 1);
	rig_ring(f->rig, q);
}

static void serves(struct fixture *f, unsigned int q, unsigned int n)
{
	struct vring_used_elem elem = { 0, 0 };

	add(f, q, n);
	backend_wait(f->rig, rig_used(f->rig, q, &elem) == 1);
	assert_int_equal(elem.len, BACKEND_USED_LEN);
	assert_int_equal(*(char *)rig_mem(f->rig, RIG_DATA + 0x1000 * n, 1),
			 'V');
}

static bool broken(struct fixture *f)
{
	return rig_status(f->rig) & VIRTIO_CONFIG_S_NEEDS_RESET;
}

/* ------------------------------------------------------------------------------ */

static void test_config(void **state)
{
	struct fixture *f = *state;
	struct virtio_dev *vdev;

	f->cfg.queues = 1;
	begin(f, &rig_accel_ops);
	vdev = &container_of(f->rig->pci, struct virtio_pci, pci)->vdev;
	assert_int_equal(rig_read(f->rig, VIRTIO_PCI_DEVICE, 4), SECTORS);
	assert_int_equal(rig_read(f->rig,
				  VIRTIO_PCI_DEVICE +
					  offsetof(struct virtio_blk_config,
						   num_queues),
				  2),
			 1);
	assert_int_equal(vdev->features, RINGS | F(VIRTIO_BLK_F_FLUSH) |
						 F(VIRTIO_BLK_F_MQ) | F(40));
}

static void test_serve(void **state)
{
	struct fixture *f = *state;

	f->cfg.queues = 2;
	begin(f, &rig_accel_irqfd_ops);
	rig_drive(f->rig, F(VIRTIO_BLK_F_FLUSH) | F(VIRTIO_RING_F_EVENT_IDX));
	assert_int_equal(f->b.acked, F(VIRTIO_F_VERSION_1) | F(VU_F_PROTOCOL) |
					     F(VIRTIO_BLK_F_FLUSH) |
					     F(VIRTIO_RING_F_EVENT_IDX));
	serves(f, 0, 0);
	serves(f, 1, 1);
	serves(f, 0, 2);
	backend_wait(f->rig, f->rig->msis[0] == 2 && f->rig->msis[1] == 1);
	/* The rings have nothing of the other's. */
	assert_int_equal(rig_used(f->rig, 1, NULL), 0);
}

/* Where no eventfd is a message: by way of this process. */
static void test_call(void **state)
{
	struct fixture *f = *state;

	f->cfg.queues = 1;
	begin(f, &rig_accel_ops);
	rig_drive(f->rig, 0);
	serves(f, 0, 0);
	backend_wait(f->rig, f->rig->msis[0] == 1);
}

static void test_stop(void **state)
{
	struct fixture *f = *state;
	unsigned int n;

	f->cfg.queues = 1;
	begin(f, &rig_accel_irqfd_ops);
	rig_drive(f->rig, 0);
	for (n = 0; n < 5; n++) {
		serves(f, 0, n);
		devices_stop(&f->rig->vm);
		assert_int_equal(backend_seen(&f->b, VU_GET_VRING_BASE), n + 1);
		/* Nobody takes what comes now, until it goes on. */
		add(f, 0, 8);
		rig_run(f->rig);
		assert_int_equal(rig_used(f->rig, 0, NULL), 0);
		devices_start(&f->rig->vm);
		backend_wait(f->rig, rig_used(f->rig, 0, NULL) == 1);
	}
	/* One greeting, one table: only rings come and go. */
	assert_int_equal(backend_seen(&f->b, VU_SET_OWNER), 1);
	assert_int_equal(backend_seen(&f->b, VU_SET_MEM_TABLE), 1);
	assert_int_equal(backend_seen(&f->b, VU_SET_FEATURES), 1);
	/* Another driver. */
	rig_drive(f->rig, F(VIRTIO_BLK_F_FLUSH));
	serves(f, 0, 0);
	assert_int_equal(backend_seen(&f->b, VU_SET_MEM_TABLE), 1);
	assert_int_equal(backend_seen(&f->b, VU_SET_FEATURES), 2);
}

/* It goes with nothing on its way, and comes back. */
static void test_back(void **state)
{
	struct fixture *f = *state;

	f->cfg.queues = 1;
	begin(f, &rig_accel_irqfd_ops);
	rig_drive(f->rig, 0);
	serves(f, 0, 0);
	backend_stop(&f->b);
	rig_run(f->rig);
	assert_false(broken(f));
	add(f, 0, 1);
	rig_run(f->rig);
	assert_int_equal(rig_used(f->rig, 0, NULL), 0);
	backend_start(&f->b);
	backend_wait(f->rig, rig_used(f->rig, 0, NULL) == 1);
	assert_int_equal(backend_seen(&f->b, VU_SET_MEM_TABLE), 2);
	serves(f, 0, 2);
}

/* Of requests that nobody knows of any more, a driver has to be told. */
static void test_lost(void **state)
{
	struct fixture *f = *state;

	f->cfg.queues = 1;
	f->b.keeps = true;
	begin(f, &rig_accel_irqfd_ops);
	rig_drive(f->rig, 0);
	add(f, 0, 0);
	backend_wait(f->rig, backend_taken(&f->b) == 1);
	backend_stop(&f->b);
	backend_wait(f->rig, broken(f));
	/* And once it is, all is well. */
	f->b.keeps = false;
	backend_start(&f->b);
	backend_wait(f->rig, backend_seen(&f->b, VU_SET_OWNER) == 2);
	rig_drive(f->rig, 0);
	serves(f, 0, 0);
	assert_false(broken(f));
}

/* But who comes next may know of them. */
static void test_inflight(void **state)
{
	struct fixture *f = *state;

	f->cfg.queues = 1;
	f->b.keeps = true;
	f->b.protocol |= F(VU_P_INFLIGHT);
	begin(f, &rig_accel_irqfd_ops);
	rig_drive(f->rig, 0);
	add(f, 0, 0);
	backend_wait(f->rig, backend_taken(&f->b) == 1);
	backend_stop(&f->b);
	rig_run(f->rig);
	assert_false(broken(f));
	f->b.keeps = false;
	backend_start(&f->b);
	backend_wait(f->rig, rig_used(f->rig, 0, NULL) == 1);
	assert_int_equal(backend_seen(&f->b, VU_GET_INFLIGHT_FD), 1);
	assert_int_equal(backend_seen(&f->b, VU_SET_INFLIGHT_FD), 2);
	/* The next driver's are in another file. */
	rig_drive(f->rig, 0);
	serves(f, 0, 0);
	assert_int_equal(backend_seen(&f->b, VU_GET_INFLIGHT_FD), 2);
}

/* One that lacks what the driver has taken is none. */
static void test_less(void **state)
{
	struct fixture *f = *state;
	unsigned int greeted;

	f->cfg.queues = 1;
	begin(f, &rig_accel_irqfd_ops);
	rig_drive(f->rig, F(VIRTIO_BLK_F_FLUSH));
	backend_stop(&f->b);
	f->b.features &= ~F(VIRTIO_BLK_F_FLUSH);
	backend_start(&f->b);
	greeted = backend_seen(&f->b, VU_GET_FEATURES);
	add(f, 0, 0);
	backend_wait(f->rig, backend_seen(&f->b, VU_GET_FEATURES) > greeted);
	rig_run(f->rig);
	assert_int_equal(rig_used(f->rig, 0, NULL), 0);
	assert_int_equal(backend_seen(&f->b, VU_SET_MEM_TABLE), 1);
}

/* ---- hostile backends ------------------------------------------------------------ */

static const uint32_t early[] = { VU_GET_FEATURES, VU_GET_PROTOCOL_FEATURES,
				  VU_GET_QUEUE_NUM, VU_GET_CONFIG,
				  VU_SET_OWNER };

/* What it is asked before there is a machine. */
static void test_bad_greeting(void **state)
{
	struct fixture *f = *state;
	struct error err = { "" };
	enum fault fault;
	unsigned int i;

	for (i = 0; i < sizeof(early) / sizeof(early[0]); i++) {
		for (fault = FAULT_REQUEST; fault <= FAULT_CUT; fault++) {
			f->b.fault = fault;
			f->b.fault_at = early[i];
			backend_start(&f->b);
			f->cfg.path = f->b.path;
			*err.text = '\0';
			if (!rig_init(&f->rig, &vhost_blk_class, &f->cfg, &err))
				fail_msg("request %u, fault %d", early[i],
					 fault);
			assert_non_null(strstr(err.text, "vhost-user-blk0"));
			rig_free(f->rig);
			backend_stop(&f->b);
		}
	}
	f->rig = NULL;
	f->b.fault = FAULT_NONE;
	backend_start(&f->b);
}

static const uint32_t late[] = { VU_SET_MEM_TABLE,  VU_SET_FEATURES,
				 VU_SET_VRING_NUM,  VU_SET_VRING_ADDR,
				 VU_SET_VRING_KICK, VU_SET_VRING_ENABLE,
				 VU_GET_INFLIGHT_FD };

/* And while there is: then it serves nothing, and the machine lives. */
static void test_bad_answers(void **state)
{
	struct fixture *f = *state;
	enum fault fault;
	unsigned int i;

	f->b.protocol |= F(VU_P_INFLIGHT);
	for (i = 0; i < sizeof(late) / sizeof(late[0]); i++) {
		for (fault = FAULT_REQUEST; fault <= FAULT_VALUE; fault++) {
			f->cfg.queues = 1;
			f->b.fault = fault;
			f->b.fault_at = late[i];
			begin(f, &rig_accel_irqfd_ops);
			rig_drive(f->rig, 0);
			add(f, 0, 0);
			rig_run(f->rig);
			/* The last but one has it taken already. */
			if (late[i] != VU_SET_VRING_ENABLE &&
			    rig_used(f->rig, 0, NULL))
				fail_msg("request %u, fault %d", late[i],
					 fault);
			rig_free(f->rig);
			backend_stop(&f->b);
		}
	}
	f->rig = NULL;
	backend_start(&f->b);
}

/* Where it says that it is, in a ring, cannot be. */
static void test_bad_base(void **state)
{
	struct fixture *f = *state;
	enum fault fault;

	for (fault = FAULT_REQUEST; fault <= FAULT_VALUE; fault++) {
		f->cfg.queues = 1;
		f->b.fault = fault;
		f->b.fault_at = VU_GET_VRING_BASE;
		begin(f, &rig_accel_irqfd_ops);
		rig_drive(f->rig, 0);
		serves(f, 0, 0);
		devices_stop(&f->rig->vm);
		devices_start(&f->rig->vm);
		rig_run(f->rig);
		/* It goes on where the ring says that it is. */
		if (fault == FAULT_VALUE)
			serves(f, 0, 1);
		rig_free(f->rig);
		backend_stop(&f->b);
	}
	f->rig = NULL;
	backend_start(&f->b);
}

static void test_nobody(void **state)
{
	struct fixture *f = *state;
	struct error err = { "" };

	backend_start(&f->b);
	f->cfg.path = f->b.dir;
	assert_int_not_equal(rig_init(&f->rig, &vhost_blk_class, &f->cfg, &err),
			     0);
	rig_free(f->rig);
	f->cfg.path = f->b.path;
	f->cfg.queues = 3;
	assert_int_not_equal(rig_init(&f->rig, &vhost_blk_class, &f->cfg, &err),
			     0);
	assert_non_null(strstr(err.text, "2 queues, not 3"));
	rig_free(f->rig);
	f->rig = NULL;
}

static void test_fs(void **state)
{
	struct fixture *f = *state;
	struct fs_config cfg = { .tag = (char *)(uintptr_t) "home" };
	struct error err = { "" };
	char tag[4];
	unsigned int i;

	backend_start(&f->b);
	cfg.path = f->b.path;
	if (rig_init_on(&f->rig, &rig_accel_irqfd_ops, &vhost_fs_class, &cfg,
			&err))
		fail_msg("%s", err.text);
	for (i = 0; i < 4; i++)
		tag[i] = (char)rig_read(f->rig, VIRTIO_PCI_DEVICE + i, 1);
	assert_memory_equal(tag, "home", 4);
	assert_int_equal(rig_read(f->rig, VIRTIO_PCI_DEVICE + 4, 1), 0);
	assert_int_equal(rig_read(f->rig, VIRTIO_PCI_DEVICE + 36, 4), 1);
	rig_drive(f->rig, 0);
	serves(f, 1, 0);
	serves(f, 0, 1);
	/* Its files are unknown to the next. */
	backend_stop(&f->b);
	backend_wait(f->rig, broken(f));
	backend_start(&f->b);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_config),	 TEST(test_serve),
		TEST(test_call),	 TEST(test_stop),
		TEST(test_back),	 TEST(test_lost),
		TEST(test_inflight),	 TEST(test_less),
		TEST(test_bad_greeting), TEST(test_bad_answers),
		TEST(test_bad_base),	 TEST(test_nobody),
		TEST(test_fs),
	};

	return cmocka_run_group_tests_name("vhost-user", tests, NULL, NULL);
}
