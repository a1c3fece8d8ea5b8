"""A process with a step of people's, drawn."""

REFUND = """<?xml version="1.0" encoding="UTF-8"?>
<definitions xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL" targetNamespace="tests"
    xmlns:camunda="http://camunda.org/schema/1.0/bpmn" xmlns:bpmndi="http://www.omg.org/spec/BPMN/20100524/DI"
    xmlns:dc="http://www.omg.org/spec/DD/20100524/DC" xmlns:di="http://www.omg.org/spec/DD/20100524/DI">
  <process id="refund" name="A refund" isExecutable="true">
    <startEvent id="start"/>
    <sequenceFlow id="to-look" sourceRef="start" targetRef="look"/>
    <userTask id="look" name="Look at it" camunda:candidateGroups="billing"/>
    <sequenceFlow id="to-end" sourceRef="look" targetRef="end"/>
    <endEvent id="end"/>
  </process>
  <bpmndi:BPMNDiagram id="diagram">
    <bpmndi:BPMNPlane id="plane" bpmnElement="refund">
      <bpmndi:BPMNShape id="s1" bpmnElement="start">
        <dc:Bounds x="100" y="122" width="36" height="36"/>
      </bpmndi:BPMNShape>
      <bpmndi:BPMNShape id="s2" bpmnElement="look">
        <dc:Bounds x="200" y="100" width="100" height="80"/>
      </bpmndi:BPMNShape>
      <bpmndi:BPMNShape id="s3" bpmnElement="end">
        <dc:Bounds x="364" y="122" width="36" height="36"/>
      </bpmndi:BPMNShape>
      <bpmndi:BPMNEdge id="e1" bpmnElement="to-look">
        <di:waypoint x="136" y="140"/><di:waypoint x="200" y="140"/>
      </bpmndi:BPMNEdge>
      <bpmndi:BPMNEdge id="e2" bpmnElement="to-end">
        <di:waypoint x="300" y="140"/><di:waypoint x="364" y="140"/>
      </bpmndi:BPMNEdge>
    </bpmndi:BPMNPlane>
  </bpmndi:BPMNDiagram>
</definitions>
"""
