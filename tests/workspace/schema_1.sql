CREATE TABLE endpoints (
	name VARCHAR COLLATE "NOCASE" NOT NULL, 
	body JSON NOT NULL, 
	created_at FLOAT NOT NULL, 
	modified_at FLOAT NOT NULL, 
	PRIMARY KEY (name)
);
CREATE TABLE computes (
	name VARCHAR COLLATE "NOCASE" NOT NULL, 
	body JSON NOT NULL, 
	created_at FLOAT NOT NULL, 
	modified_at FLOAT NOT NULL, 
	PRIMARY KEY (name)
);
CREATE TABLE assets (
	seq INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	kind TEXT NOT NULL, 
	name VARCHAR COLLATE "NOCASE" NOT NULL, 
	version VARCHAR COLLATE "NOCASE" NOT NULL, 
	body JSON NOT NULL, 
	directory TEXT, 
	digest TEXT, 
	bytes INTEGER DEFAULT '0' NOT NULL, 
	mlflow_uri TEXT, 
	archived BOOLEAN DEFAULT '0' NOT NULL, 
	anonymous BOOLEAN DEFAULT '0' NOT NULL, 
	created_at FLOAT NOT NULL, 
	modified_at FLOAT NOT NULL
);
CREATE UNIQUE INDEX assets_by_name ON assets (kind, name, version);
CREATE TABLE counters (
	kind TEXT NOT NULL, 
	name VARCHAR COLLATE "NOCASE" NOT NULL, 
	last INTEGER NOT NULL, 
	PRIMARY KEY (kind, name)
);
CREATE TABLE jobs (
	seq INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	name VARCHAR COLLATE "NOCASE" NOT NULL, 
	run INTEGER NOT NULL, 
	status TEXT NOT NULL, 
	status_detail TEXT NOT NULL, 
	endpoint VARCHAR COLLATE "NOCASE" NOT NULL, 
	deployment VARCHAR COLLATE "NOCASE" NOT NULL, 
	compute VARCHAR COLLATE "NOCASE" NOT NULL, 
	spec JSON NOT NULL, 
	progress JSON NOT NULL, 
	code_dir TEXT, 
	model_dir TEXT, 
	display_name TEXT, 
	error JSON, 
	idempotency_key TEXT, 
	request TEXT NOT NULL, 
	created_at FLOAT NOT NULL, 
	started_at FLOAT, 
	ended_at FLOAT, 
	UNIQUE (idempotency_key)
);
CREATE UNIQUE INDEX jobs_by_name ON jobs (name);
CREATE INDEX jobs_by_endpoint ON jobs (endpoint, deployment);
CREATE INDEX jobs_by_compute ON jobs (compute, status);
CREATE TABLE claims (
	resource TEXT NOT NULL, 
	epoch INTEGER NOT NULL, 
	held BOOLEAN NOT NULL, 
	counter INTEGER NOT NULL, 
	host TEXT NOT NULL, 
	boot_id TEXT NOT NULL, 
	pid INTEGER NOT NULL, 
	start_time TEXT NOT NULL, 
	acquired_at FLOAT NOT NULL, 
	PRIMARY KEY (resource)
);
CREATE TABLE deployments (
	endpoint VARCHAR COLLATE "NOCASE" NOT NULL, 
	name VARCHAR COLLATE "NOCASE" NOT NULL, 
	version INTEGER NOT NULL, 
	created_at FLOAT NOT NULL, 
	PRIMARY KEY (endpoint, name), 
	FOREIGN KEY(endpoint) REFERENCES endpoints (name) ON DELETE CASCADE
);
CREATE TABLE deployment_versions (
	endpoint VARCHAR COLLATE "NOCASE" NOT NULL, 
	name VARCHAR COLLATE "NOCASE" NOT NULL, 
	version INTEGER NOT NULL, 
	body JSON NOT NULL, 
	interpreter JSON NOT NULL, 
	code_dir TEXT, 
	model_name TEXT, 
	model_version TEXT, 
	model_type TEXT, 
	model_dir TEXT, 
	variables JSON NOT NULL, 
	created_at FLOAT NOT NULL, 
	PRIMARY KEY (endpoint, name, version), 
	FOREIGN KEY(endpoint, name) REFERENCES deployments (endpoint, name) ON DELETE CASCADE
);
PRAGMA user_version = 1;
