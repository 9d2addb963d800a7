"""Baselines: Graph Networks that predict factors, their training, and a registry for yours."""

from precondbench.baselines.checkpoint import load_model, save_model
from precondbench.baselines.configuration import TrainingConfiguration
from precondbench.baselines.factor_model import FactorModel
from precondbench.baselines.graph_network import GraphNetwork, mlp
from precondbench.baselines.graphs import GraphBatch
from precondbench.baselines.loss import cosine_per_graph, negative_cosine
from precondbench.baselines.node_models import MLP, MessagePassingMLP
from precondbench.baselines.prediction import predict
from precondbench.baselines.progress import EpochRecord, training_progress
from precondbench.baselines.registry import (
    build_model,
    model_names,
    register_model,
    register_node_model,
)
from precondbench.baselines.training import TrainingResult, train

__all__ = [
    "MLP",
    "EpochRecord",
    "FactorModel",
    "GraphBatch",
    "GraphNetwork",
    "MessagePassingMLP",
    "TrainingConfiguration",
    "TrainingResult",
    "build_model",
    "cosine_per_graph",
    "load_model",
    "mlp",
    "model_names",
    "negative_cosine",
    "predict",
    "register_model",
    "register_node_model",
    "save_model",
    "train",
    "training_progress",
]
