// SPDX-License-Identifier: GPL-2.0-or-later
/* virtio-scsi: requests, configuration, task management. */
#include "virtio_scsi_rig.h"

static uint64_t config(struct fixture *f, unsigned int off, unsigned int size)
{
	return rig_read(f->rig, VIRTIO_PCI_DEVICE + off, size);
}

#define CONFIG(f, field)                                      \
	config(f, offsetof(struct virtio_scsi_config, field), \
	       sizeof(((struct virtio_scsi_config *)0)->field))

static void set_config(struct fixture *f, unsigned int off, uint32_t val)
{
	rig_write(f->rig, VIRTIO_PCI_DEVICE + off, 4, val);
}

#define SENSE_SIZE offsetof(struct virtio_scsi_config, sense_size)
#define CDB_SIZE offsetof(struct virtio_scsi_config, cdb_size)

static void test_config(void **state)
{
	struct fixture *f = *state;

	start(f, F(HOTPLUG) | F(CHANGE));
	assert_int_equal(CONFIG(f, num_queues), 1);
	assert_int_equal(CONFIG(f, seg_max), 126);
	assert_int_equal(CONFIG(f, max_sectors), 0xffff);
	assert_int_equal(CONFIG(f, cmd_per_lun), 128);
	assert_int_equal(CONFIG(f, event_info_size), 16);
	assert_int_equal(CONFIG(f, sense_size), 96);
	assert_int_equal(CONFIG(f, cdb_size), 32);
	assert_int_equal(CONFIG(f, max_channel), 0);
	assert_int_equal(CONFIG(f, max_target), 31);
	assert_int_equal(CONFIG(f, max_lun), 0);
}

static void test_features(void **state)
{
	struct fixture *f = *state;

	f->rig = rig_new(&virtio_scsi_class, &f->cfg);
	rig_write(f->rig, VIRTIO_PCI_COMMON_DFSELECT, 4, 0);
	assert_int_equal(rig_read(f->rig, VIRTIO_PCI_COMMON_DF, 4) & 0xf,
			 F(HOTPLUG) | F(CHANGE));
}

static void test_read(void **state)
{
	struct fixture *f = *state;
	const struct ask ask = READ(0, 258, 4);
	const struct virtio_scsi_cmd_resp *resp;
	uint32_t len, i;

	start(f, 0);
	settle(f, 0);
	resp = request(f, &ask, &len);
	assert_int_equal(resp->response, VIRTIO_SCSI_S_OK);
	assert_int_equal(resp->status, 0);
	assert_int_equal(resp->resid, 0);
	assert_int_equal(resp->sense_len, 0);
	assert_int_equal(len, sizeof(*resp) + 2048);
	for (i = 0; i < 512; i++)
		assert_int_equal(((uint32_t *)data_of(f, 0))[i],
				 (258 + i / 128) << 8 | i % 128);
}

static void test_write(void **state)
{
	struct fixture *f = *state;
	const struct ask ask = { .lun = TARGET(0),
				 .len = 1024,
				 .out = true,
				 .cdb = { 0x2a, 0, 0, 0, 0, 5, 0, 0, 1 } };
	const struct virtio_scsi_cmd_resp *resp;
	uint8_t back[1536];
	uint32_t len;
	int fd;

	start(f, 0);
	settle(f, 0);
	memset(data_of(f, 0), 0x5a, 1024);
	resp = request(f, &ask, &len);
	assert_int_equal(resp->status, 0);
	assert_int_equal(resp->resid, 512);
	assert_int_equal(len, sizeof(*resp));
	fd = open(f->path[0], O_RDONLY);
	assert_int_equal(pread(fd, back, 1536, 4 * 512), 1536);
	close(fd);
	assert_int_equal(back[511], 0);
	assert_int_equal(back[512], 0x5a);
	assert_int_equal(back[1023], 0x5a);
	assert_int_not_equal(back[1028], 0x5a);
}

static void test_residuals(void **state)
{
	struct fixture *f = *state;
	struct ask inquiry = { .lun = TARGET(0),
			       .len = 255,
			       .cdb = { 0x12, 0, 0, 0, 20 } };
	struct virtio_scsi_cmd_resp *resp;
	uint32_t len;

	start(f, 0);
	resp = request(f, &inquiry, &len);
	assert_int_equal(resp->status, 0);
	assert_int_equal(resp->resid, 235);
	assert_int_equal(len, sizeof(*resp) + 20);
	assert_int_equal(data_of(f, 0)[20], UNTOUCHED);
	/* The buffers are shorter than what the CDB asks for. */
	inquiry.len = 19;
	resp = request(f, &inquiry, &len);
	assert_int_equal(resp->response, VIRTIO_SCSI_S_OVERRUN);
	assert_int_equal(len, sizeof(*resp));
	assert_int_equal(data_of(f, 0)[0], UNTOUCHED);
	/* Data the other way */
	inquiry.out = true;
	inquiry.len = 64;
	resp = request(f, &inquiry, &len);
	assert_int_equal(resp->response, VIRTIO_SCSI_S_OVERRUN);
	/* A failed one moves nothing. */
	inquiry = (struct ask)READ(0, 0, 1);
	inquiry.cdb[1] = 0x20;
	settle(f, 0);
	resp = request(f, &inquiry, &len);
	assert_int_equal(resp->status, 2);
	assert_int_equal(resp->resid, 512);
	assert_int_equal(resp->sense[12], 0x24);
}

static void test_addresses(void **state)
{
	static const struct {
		uint8_t lun[8];
		uint8_t response;
		uint8_t status;
		uint8_t type; /* of INQUIRY */
	} cases[] = {
		{ { 1, 0, 0, 0 }, VIRTIO_SCSI_S_OK, 0, 0 },
		{ { 1, 0, 0x40, 0 }, VIRTIO_SCSI_S_OK, 0, 0 },
		{ { 1, 1, 0x40, 0 }, VIRTIO_SCSI_S_OK, 0, 5 },
		{ { 1, 1, 0x40, 1 }, VIRTIO_SCSI_S_OK, 0, 0x7f },
		{ { 1, 1, 0, 1 }, VIRTIO_SCSI_S_OK, 0, 0x7f },
		{ { 1, 1, 0x7f, 0xff }, VIRTIO_SCSI_S_OK, 0, 0x7f },
		{ { 1, 2, 0x40, 0 }, VIRTIO_SCSI_S_BAD_TARGET, 0, 0 },
		{ { 1, 31, 0, 0 }, VIRTIO_SCSI_S_BAD_TARGET, 0, 0 },
		{ { 1, 32, 0, 0 }, VIRTIO_SCSI_S_BAD_TARGET, 0, 0 },
		{ { 1, 255, 0, 0 }, VIRTIO_SCSI_S_BAD_TARGET, 0, 0 },
		{ { 0, 0, 0, 0 }, VIRTIO_SCSI_S_BAD_TARGET, 0, 0 },
		{ { 2, 0, 0, 0 }, VIRTIO_SCSI_S_BAD_TARGET, 0, 0 },
		{ { 1, 0, 0x80, 0 }, VIRTIO_SCSI_S_BAD_TARGET, 0, 0 },
		{ { 1, 0, 0xc0, 0 }, VIRTIO_SCSI_S_BAD_TARGET, 0, 0 },
		{ { 1, 0, 1, 0 }, VIRTIO_SCSI_S_BAD_TARGET, 0, 0 },
		{ { 1, 0, 0, 0, 0, 1 }, VIRTIO_SCSI_S_BAD_TARGET, 0, 0 },
		{ { 0xc1, 1 }, VIRTIO_SCSI_S_BAD_TARGET, 0, 0 },
	};
	struct fixture *f = *state;
	struct ask ask = { .len = 36, .cdb = { 0x12, 0, 0, 0, 36 } };
	struct virtio_scsi_cmd_resp *resp;
	unsigned int i;

	start(f, 0);
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		memcpy(ask.lun, cases[i].lun, 8);
		resp = request(f, &ask, NULL);
		assert_int_equal(resp->response, cases[i].response);
		if (resp->response)
			continue;
		assert_int_equal(resp->status, cases[i].status);
		assert_int_equal(data_of(f, 0)[0], cases[i].type);
	}
}

/* Sizes that the driver sets, and may not. */
static void test_sizes(void **state)
{
	struct fixture *f = *state;
	struct vring_used_elem elem = { 0 };
	struct rig_buf bufs[2];
	uint8_t *req, *resp;

	f->rig = rig_new(&virtio_scsi_class, &f->cfg);
	rig_msix_on(f->rig);
	rig_negotiate(f->rig, RIG_FEATURES);
	set_config(f, SENSE_SIZE, 253);
	assert_int_equal(CONFIG(f, sense_size), 96);
	set_config(f, CDB_SIZE, 256);
	assert_int_equal(CONFIG(f, cdb_size), 32);
	set_config(f, CDB_SIZE - 24, 7); /* num_queues */
	assert_int_equal(CONFIG(f, num_queues), 1);
	set_config(f, SENSE_SIZE, 5);
	set_config(f, CDB_SIZE, 6);
	assert_int_equal(CONFIG(f, sense_size), 5);
	assert_int_equal(CONFIG(f, cdb_size), 6);
	rig_queue(f->rig, REQUEST);
	rig_driver_ok(f->rig);
	rig_run(f->rig);
	set_config(f, SENSE_SIZE, 8);
	assert_int_equal(CONFIG(f, sense_size), 5);

	bufs[0] = (struct rig_buf){ REQ, 19 + 6, false };
	bufs[1] = (struct rig_buf){ RESP, 12 + 5 + 36, true };
	req = rig_mem(f->rig, REQ, 19 + 6);
	resp = rig_mem(f->rig, RESP, 64);
	memset(req, 0, 19 + 6);
	memset(resp, UNTOUCHED, 64);
	req[0] = 1;
	rig_add(f->rig, REQUEST, bufs, 2); /* TEST UNIT READY: the reset */
	rig_kick(f->rig, REQUEST);
	finish(f, REQUEST, 1, &elem);
	assert_int_equal(elem.len, 12 + 5);
	assert_int_equal(resp[0], 5); /* sense_len */
	assert_int_equal(resp[10], 2);
	assert_int_equal(resp[12], 0x70);
	assert_int_equal(resp[14], 6);
	assert_int_equal(resp[17], UNTOUCHED);

	/* READ 10 does not fit: an invalid field, not what lies behind. */
	req[19] = 0x28;
	rig_add(f->rig, REQUEST, bufs, 2);
	rig_kick(f->rig, REQUEST);
	finish(f, REQUEST, 1, &elem);
	assert_int_equal(resp[10], 2);
	assert_int_equal(resp[14], 5);

	/* They are as they were after a reset. */
	rig_set_status(f->rig, 0);
	rig_run(f->rig);
	assert_int_equal(CONFIG(f, sense_size), 96);
	assert_int_equal(CONFIG(f, cdb_size), 32);
}

/* Header and response cut into bytes; the data right behind in the buffer. */
static void test_scattered(void **state)
{
	struct fixture *f = *state;
	struct virtio_scsi_cmd_req req = {
		.lun = TARGET(0),
		.cdb = { 0x12, 0, 0, 0, 36 },
	};
	struct rig_buf bufs[9] = {
		{ REQ, 1, false },	  { REQ + 1, 7, false },
		{ REQ + 8, 30, false },	  { REQ + 38, sizeof(req) - 38, false },
		{ RESP, 3, true },	  { RESP + 3, 8, true },
		{ RESP + 11, 90, true },  { RESP + 101, 8, true },
		{ RESP + 109, 35, true },
	};
	struct vring_used_elem elem = { 0 };
	const uint8_t *resp;

	start(f, 0);
	memcpy(rig_mem(f->rig, REQ, sizeof(req)), &req, sizeof(req));
	rig_add(f->rig, REQUEST, bufs, 9);
	rig_kick(f->rig, REQUEST);
	finish(f, REQUEST, 1, &elem);
	assert_int_equal(elem.len, 108 + 36);
	resp = rig_mem(f->rig, RESP, 144);
	assert_int_equal(resp[11], 0);
	assert_memory_equal(resp + 108 + 8, "VIREO   DISK", 12);
}

static void expect_broken(struct fixture *f, unsigned int q,
			  const struct rig_buf *bufs, unsigned int nr)
{
	start(f, 0);
	rig_add(f->rig, q, bufs, nr);
	rig_kick(f->rig, q);
	assert_true(rig_status(f->rig) & VIRTIO_CONFIG_S_NEEDS_RESET);
	rig_set_status(f->rig, 0);
	rig_run(f->rig);
	assert_int_equal(rig_status(f->rig), 0);
	rig_free(f->rig);
	f->rig = NULL;
}

static void test_malformed(void **state)
{
	const uint32_t req = sizeof(struct virtio_scsi_cmd_req);
	const uint32_t resp = sizeof(struct virtio_scsi_cmd_resp);
	struct fixture *f = *state;

	/* Header or response short or not there */
	expect_broken(f, REQUEST,
		      (const struct rig_buf[]){ { REQ, req - 1, false },
						{ RESP, resp, true } },
		      2);
	expect_broken(f, REQUEST,
		      (const struct rig_buf[]){ { REQ, req, false },
						{ RESP, resp - 1, true } },
		      2);
	expect_broken(f, REQUEST,
		      (const struct rig_buf[]){ { REQ, req, false } }, 1);
	expect_broken(f, REQUEST,
		      (const struct rig_buf[]){ { RESP, resp, true } }, 1);
	/* The control queue: no type, an unknown one, no room */
	expect_broken(f, CONTROL,
		      (const struct rig_buf[]){ { TMF, 3, false },
						{ RESP, 8, true } },
		      2);
	expect_broken(f, CONTROL,
		      (const struct rig_buf[]){ { TMF, 23, false },
						{ RESP, 8, true } },
		      2);
	expect_broken(f, CONTROL,
		      (const struct rig_buf[]){ { TMF, 24, false } }, 1);
}

static void test_both_ways(void **state)
{
	struct fixture *f = *state;
	const struct virtio_scsi_cmd_req req = { .lun = TARGET(0) };
	const struct rig_buf bufs[4] = {
		{ REQ, sizeof(req), false },
		{ DATA, 512, false },
		{ RESP, sizeof(struct virtio_scsi_cmd_resp), true },
		{ DATA + 512, 512, true },
	};

	start(f, 0);
	memcpy(rig_mem(f->rig, REQ, sizeof(req)), &req, sizeof(req));
	rig_add(f->rig, REQUEST, bufs, 4);
	rig_kick(f->rig, REQUEST);
	finish(f, REQUEST, 1, NULL);
	assert_int_equal(resp_of(f, 0)->response, VIRTIO_SCSI_S_FAILURE);
}

/* ---- the control queue ------------------------------------------------------ */

static void test_tmf(void **state)
{
	struct fixture *f = *state;
	const struct ask ready = { .lun = TARGET(0) };

	start(f, 0);
	settle(f, 0);
	settle(f, 1);
#define T(name) VIRTIO_SCSI_T_TMF_##name
#define S(name) VIRTIO_SCSI_S_##name
	assert_int_equal(tmf(f, T(ABORT_TASK), 0, 0, 1), S(OK));
	assert_int_equal(tmf(f, T(ABORT_TASK_SET), 0, 0, 0), S(OK));
	assert_int_equal(tmf(f, T(CLEAR_TASK_SET), 0, 0, 0), S(OK));
	assert_int_equal(tmf(f, T(QUERY_TASK), 0, 0, 1), S(OK));
	assert_int_equal(tmf(f, T(QUERY_TASK_SET), 0, 0, 1), S(OK));
	assert_int_equal(tmf(f, T(CLEAR_ACA), 0, 0, 0), S(FUNCTION_REJECTED));
	assert_int_equal(tmf(f, 99, 0, 0, 0), S(FUNCTION_REJECTED));
	assert_int_equal(tmf(f, T(ABORT_TASK), 7, 0, 0), S(BAD_TARGET));
	assert_int_equal(tmf(f, T(ABORT_TASK), 0, 1, 0), S(INCORRECT_LUN));
	assert_int_equal(request(f, &ready, NULL)->status, 0);
	assert_int_equal(tmf(f, T(LOGICAL_UNIT_RESET), 0, 0, 0), S(OK));
	settle(f, 0);
	assert_int_equal(tmf(f, T(I_T_NEXUS_RESET), 1, 0, 0), S(OK));
	settle(f, 1);
	assert_int_equal(request(f, &ready, NULL)->status, 0);
}

/*
 * Requests that came before are done, or aborted when their I/O ends: before
 * the function is.
 */
static void test_abort(void **state)
{
	struct fixture *f = *state;
	struct ask one = READ(0, 8, 8), two = READ(0, 16, 8);
	struct ask other = READ(1, 0, 8);

	start(f, 0);
	settle(f, 0);
	settle(f, 1);
	one.tag = 11;
	two.tag = 22;
	two.slot = 1;
	other.slot = 2;
	other.cdb[8] = 2;
	add(f, &one);
	add(f, &two);
	add(f, &other);
	add_tmf(f, VIRTIO_SCSI_T_TMF_ABORT_TASK, 0, 0, 22);
	/* The function comes first. */
	rig_ring(f->rig, CONTROL);
	rig_ring(f->rig, REQUEST);
	rig_run(f->rig);
	finish(f, CONTROL, 1, NULL);
	finish(f, REQUEST, 3, NULL);
	assert_int_equal(*(uint8_t *)rig_mem(f->rig, TMF + 0x100, 1),
			 VIRTIO_SCSI_S_OK);
	assert_int_equal(resp_of(f, 0)->response, VIRTIO_SCSI_S_OK);
	assert_int_equal(resp_of(f, 0)->status, 0);
	assert_int_equal(resp_of(f, 1)->response, VIRTIO_SCSI_S_ABORTED);
	assert_int_equal(resp_of(f, 1)->resid, 4096);
	assert_int_equal(resp_of(f, 2)->response, VIRTIO_SCSI_S_OK);

	add(f, &one);
	add(f, &two);
	add(f, &other);
	add_tmf(f, VIRTIO_SCSI_T_TMF_LOGICAL_UNIT_RESET, 0, 0, 0);
	rig_ring(f->rig, CONTROL);
	rig_ring(f->rig, REQUEST);
	rig_run(f->rig);
	finish(f, CONTROL, 1, NULL);
	finish(f, REQUEST, 3, NULL);
	assert_int_equal(resp_of(f, 0)->response, VIRTIO_SCSI_S_RESET);
	assert_int_equal(resp_of(f, 1)->response, VIRTIO_SCSI_S_RESET);
	assert_int_equal(resp_of(f, 2)->response, VIRTIO_SCSI_S_OK);
	settle(f, 0);
}

/* Four requests that are at the disk, and a function that waits for them. */
static void put_in_flight(struct fixture *f)
{
	struct virtio_pci *vpci =
		container_of(f->rig->pci, struct virtio_pci, pci);
	struct ask ask = READ(0, 8, 8);
	unsigned int i;

	for (i = 0; i < 4; i++) {
		ask.slot = i % 3;
		add(f, &ask);
	}
	virtio_serve(&vpci->vdev, REQUEST);
	assert_int_equal(rig_used(f->rig, REQUEST, NULL), 0);
	add_tmf(f, VIRTIO_SCSI_T_TMF_ABORT_TASK_SET, 0, 0, 0);
	virtio_serve(&vpci->vdev, CONTROL);
	assert_int_equal(rig_used(f->rig, CONTROL, NULL), 0);
}

/* When it has stopped, nothing is in flight. */
static void test_stop_in_flight(void **state)
{
	struct fixture *f = *state;

	start(f, 0);
	settle(f, 0);
	put_in_flight(f);
	devices_stop(&f->rig->vm);
	assert_int_equal(rig_used(f->rig, REQUEST, NULL), 4);
	assert_int_equal(rig_used(f->rig, CONTROL, NULL), 1);
	assert_int_equal(resp_of(f, 0)->response, VIRTIO_SCSI_S_ABORTED);
	devices_start(&f->rig->vm);
	rig_run(f->rig);
	assert_int_equal(request(f, &(struct ask)READ(0, 8, 8), NULL)->status,
			 0);
}

/* Nor when it was reset. */
static void test_reset_in_flight(void **state)
{
	struct fixture *f = *state;
	unsigned int i;

	start(f, 0);
	settle(f, 0);
	put_in_flight(f);
	rig_set_status(f->rig, 0);
	rig_run(f->rig);
	assert_int_equal(rig_status(f->rig), 0);
	memset(data_of(f, 0), UNTOUCHED, 4096);
	rig_run(f->rig);
	for (i = 0; i < 4096; i++)
		assert_int_equal(data_of(f, 0)[i], UNTOUCHED);
	/* And it works again. */
	rig_drive(f->rig, 0);
	settle(f, 0);
}

#define T_(t) cmocka_unit_test_setup_teardown(t, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T_(test_config),
		T_(test_features),
		T_(test_read),
		T_(test_write),
		T_(test_residuals),
		T_(test_addresses),
		T_(test_sizes),
		T_(test_scattered),
		T_(test_malformed),
		T_(test_both_ways),
		T_(test_tmf),
		T_(test_abort),
		T_(test_stop_in_flight),
		T_(test_reset_in_flight),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
